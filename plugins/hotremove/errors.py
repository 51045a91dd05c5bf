# SPDX-License-Identifier: Apache-2.0
"""The errors of the farm, by what the user can do about them."""


class HotremoveError(Exception):
    """A failure the user can act on: one line that says what is wrong and what to do.

    Everything raised on purpose derives from it; whatever else escapes is a defect of the farm.
    """


class UsageProblem(HotremoveError):
    """The input is wrong: a bad option, file, suite or package. Ends the run with exit code 4."""


class DataProblem(UsageProblem):
    """A file of results, a bundle or a history is of no use. A command's exit code is 2."""


class HostProblem(HotremoveError):
    """This machine lacks something: QEMU, libvirt, disk space, a writable cache. Exit code 4."""


class CapabilityAbsent(HotremoveError):
    """The kernel under test cannot do it; the scenario is skipped with this text."""


class GuestLost(HotremoveError):
    """The harness lost the guest and there is no evidence against the kernel: verdict `lost`."""


class GuestDied(HotremoveError):
    """The guest kernel died with evidence on its console: outcome `guest-died`, verdict `fail`."""


class DeadlineExceeded(HotremoveError):
    """A command in the guest did not finish within its deadline, in seconds."""
