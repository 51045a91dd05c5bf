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


class NotLookedAt(HotremoveError):
    """A scenario did not come to look at the kernel; which of the four it is says why."""


class CapabilityAbsent(NotLookedAt):
    """The kernel under test was built without it: verdict `absent`.

    The text quotes the proof: the kernel's own configuration (`CONFIG_X is not set`), or an answer
    of the kernel that can mean nothing else. A set-up that fails proves nothing: `Blocked`.
    """


class NotApplicable(NotLookedAt):
    """The row's premise is not given on this kernel, as the row has seen: verdict `not-applicable`.

    The text says what was seen.
    """


class Blocked(NotLookedAt):
    """It could not be set up, though the kernel's configuration allows it: verdict `blocked`, red.

    So is what this machine or the archive lacks (a compiler, headers). One line: what to do.
    """


class Waived(NotLookedAt):
    """Somebody asked to do without it: verdict `waived`, repeated in the summary.

    A topology does so on a host whose QEMU is too old for it: nothing is wrong with such a host,
    and nothing is said of the kernel.
    """


class GuestLost(HotremoveError):
    """The harness lost the guest and there is no evidence against the kernel: verdict `lost`."""


class EmulatorFault(GuestLost):
    """The emulator broke the guest, as what the kernel said proves: verdict `lost`."""


class GuestDied(HotremoveError):
    """The guest kernel died with evidence on its console: outcome `guest-died`, verdict `fail`."""


class DeadlineExceeded(HotremoveError):
    """A command in the guest did not finish within its deadline, in seconds."""
