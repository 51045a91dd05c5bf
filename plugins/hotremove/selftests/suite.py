# SPDX-License-Identifier: Apache-2.0
"""Which of the kernel's own tests there are, and what each wants of a guest."""

from __future__ import annotations

from dataclasses import dataclass

from hotremove.kernels.capabilities import Capability, find

MEMORY = "mm"
"""Their folder in tools/testing/selftests, `vm` up to 6.2 (baa489fabd01)."""
OLD_MEMORY = "vm"
HOTPLUG = "memory-hotplug"


@dataclass(frozen=True)
class Program:
    """A test program; not every kernel's source has it.

    Attributes:
        name: its file.
        huge_pages: pages of 2 MiB that the node is to have for it (run_vmtests.sh).
        user: whom it is to be run by, where that is not root.
        option: of the kernel's configuration, what it takes without asking for it.
        outdated: what it says where it asks for what its kernel has changed; see the table.
    """

    name: str
    huge_pages: int = 0
    user: str = ""
    option: str = ""
    outdated: str = ""

    @property
    def is_script(self) -> bool:
        """Whether there is nothing to compile."""
        return self.name.endswith(".sh")


@dataclass(frozen=True)
class Suite:
    """Programs about one thing.

    Attributes:
        programs: in the order in which they are run.
        capability: what the kernel has to be built with.
    """

    programs: tuple[Program, ...]
    capability: Capability


SUITES = {
    "gup_longterm": Suite((Program("gup_longterm", huge_pages=2),), find("gup_test")),
    "hugetlb": Suite(
        (
            # 256 MiB, as they have it in their sources.
            Program("hugetlb-mmap", huge_pages=128),
            Program("hugepage-mmap", huge_pages=128),
            Program("hugetlb-shm", huge_pages=128, option="SYSVIPC"),
            Program("hugepage-shm", huge_pages=128, option="SYSVIPC"),
            Program("map_hugetlb", huge_pages=128),
            Program("hugetlb-mremap", huge_pages=128),
            Program("hugepage-mremap", huge_pages=128, option="USERFAULTFD"),
            Program("hugepage-vmemmap", huge_pages=16),
            # That of 6.1.192 has the length of MADV_DONTNEED rounded up; its kernel rounds it down
            # (mm/madvise.c, madvise_dontneed_free_valid_vma()).
            Program("hugetlb-madvise", huge_pages=64, outdated="free huge pages line 212"),
            Program("hugetlb_dio", huge_pages=16),
            # They want one page, and no more.
            Program("hugetlb_fault_after_madv", huge_pages=1),
            Program("hugetlb_madv_vs_map", huge_pages=1),
            Program("thuge-gen", huge_pages=16, option="SYSVIPC"),
        ),
        find("hugetlb pins"),
    ),
    "memory-hotplug": Suite((Program("mem-on-off-test.sh"),), find("notifier failures")),
    "mlock": Suite(
        (
            Program("mlock2-tests"),
            Program("mlock-random-test"),
            Program("on-fault-limit", user="nobody"),
        ),
        find("sysfs offline"),
    ),
}
"""By what they are about: categories of run_vmtests.sh, or folders."""


def programs() -> tuple[Program, ...]:
    """All of them."""
    return tuple(program for suite in SUITES.values() for program in suite.programs)
