# SPDX-License-Identifier: Apache-2.0
import time

import pytest
from golden_tools import golden_tool

from hotremove.observe.kernellog.blame import blame
from hotremove.observe.kernellog.calltrace import read_stacks
from hotremove.observe.kernellog.dmesg import find_reports
from hotremove.observe.kernellog.rules import default_rules

SCORE = golden_tool("score")
RULES = default_rules()
UNDER_TEST = [
    "__get_user_pages", "pin_user_pages", "pin_user_pages_fast", "unpin_user_pages",
    "try_grab_folio", "__gup_longterm_locked", "check_and_migrate_movable_pages", "migrate_pages",
    "offline_pages", "isolate_migratepages_block", "alloc_contig_range", "lru_add_drain_all",
    "lru_cache_disable", "folio_isolate_lru", "dissolve_free_huge_pages", "alloc_hugetlb_folio",
    "ib_umem_get", "vfio_pin_map_dma", "io_pin_pages", "memory_block_offline",
    "add_memory_resource", "remove_pfn_range", "synchronize_rcu", "acpi_memory_device_remove",
    "virtio_mem_unplug", "list_lru_add", "dequeue_hugetlb_folio",
]  # fmt: skip
MACHINERY = [
    "dump_backtrace", "__switch_to", "el1_abort", "el1h_64_sync", "do_mem_abort",
    "register_lock_class", "check_usage", "debug_print_object", "debug_check_no_obj_freed",
    "debug_check_no_locks_freed", "do_raw_spin_lock", "fortify_panic", "skb_panic",
    "kmem_cache_alloc_noprof", "__kmalloc", "kvfree", "__alloc_pages_noprof", "free_unref_page",
    "memcmp", "strlen", "schedule", "mutex_lock", "rwsem_down_write_slowpath",
    "wait_for_completion", "nmi_cpu_backtrace", "rcu_sched_clock_irq",
]  # fmt: skip


def fingerprint(kind: str, *messages: str) -> str:
    return blame(kind, messages[0], messages, RULES).fingerprint


def test_the_golden_logs_are_read_as_a_developer_would() -> None:
    score = SCORE.score_golden_logs()
    assert score.bugs > 100
    assert (score.missed, score.false_alarms) == ([], [])
    assert score.misnamed == []
    assert score.shared == {}


def test_the_score_tells_what_is_wrong() -> None:
    (warning,) = find_reports(
        ["WARNING: CPU: 0 PID: 4 at mm/gup.c:99 f+0x10/0x830", "Call Trace:", " g+0x1/0x2"]
    )
    score = SCORE.Score()
    score.add("a", [warning], ["warning g"])
    score.add("b", [warning], ["warning f"])
    score.add("c", [warning], ["oops f"])
    score.add("d", [warning], ["warning h"])
    assert score.missed == ["c: oops f"]
    assert score.misnamed == ["d: warning h: warning:f:g"]
    assert score.false_alarms == ["c: warning: WARNING: CPU: 0 PID: 4 at mm/gup.c:99 f+0x10/0x830"]
    assert score.shared == {"warning:f:g": {"warning g", "warning f", "warning h"}}


FRAMES = [
    (" pin_user_pages+0x45/0x60 [m]", "pin_user_pages"),
    (" pin_user_pages.constprop.0+0x45/0x60", "pin_user_pages"),
    (" [<ffffffff81d6438d>] pin_user_pages+0x45/0x60", "pin_user_pages"),
    ("[<ffffffff801d3c2c>] pin_user_pages+0x45/0x60", "pin_user_pages"),
    ("([<00000001a1a1c270>] pin_user_pages+0x570/0x6c0)", "pin_user_pages"),
    ("[c00000000a9fba80] [c0000000003a2470] pin_user_pages+0x70/0x110 (unreliable)", None),
    ("[c00000000a9fba80] [c0000000003a2470] .pin_user_pages+0x70/0x110", "pin_user_pages"),
    ("[<825b0110>] (pin_user_pages) from [<825c0af0>] (dump_stack+0xa8/0xc8)", "pin_user_pages"),
    (" pin_user_pages from do_futex+0x158/0xf14", "pin_user_pages"),
    (" pin_user_pages mm/gup.c:99 [inline]", "pin_user_pages"),
    (" pin_user_pages (mm/gup.c:99 (discriminator 3))", "pin_user_pages"),
    (" pin_user_pages+0x45/0x60 (P)", "pin_user_pages"),
]


@pytest.mark.parametrize(("frame", "function"), FRAMES)
def test_a_frame_of_each_architecture(frame: str, function: str | None) -> None:
    (stack,) = read_stacks(["Call Trace:", frame], RULES)
    assert stack.names == [function or "pin_user_pages"]
    assert stack.headed


REGISTERS = [
    "RIP: 0010:try_grab_folio+0x5c/0x830",
    "RIP: 0010:[<ffffffff81384236>]  [<ffffffff81384236>] try_grab_folio+0x5c/0x830",
    "EIP: try_grab_folio+0x5c/0x830",
    "EIP is at try_grab_folio+0x5c/0x830",
    "IP: [<ffffffff81384236>] try_grab_folio+0x5c/0x830",
    "pc : try_grab_folio+0x5c/0x830",
    "PC is at try_grab_folio+0x5c/0x830",
    "NIP [c0000000003a1c2c] try_grab_folio+0x5c/0x830",
    "epc : try_grab_folio+0x5c/0x830",
    "ERA: 9000000000223644 try_grab_folio+0x64/0x2c0",
    "Krnl PSW : 0704c00180000000 00000001a0f5c2a4 (try_grab_folio+0x64/0x2c0)",
    "RIP: 0010:try_grab_folio mm/gup.c:99 [inline]",
    "RIP: 0010:try_grab_folio (mm/gup.c:99 mm/gup.c:120)",
]


@pytest.mark.parametrize("line", REGISTERS)
def test_where_the_processor_was_on_each_architecture(line: str) -> None:
    (stack,) = read_stacks([line, "Call Trace:", " unpin_user_pages+0x1/0x2"], RULES)
    assert (stack.places, stack.names) == (["try_grab_folio"], ["unpin_user_pages"])


@pytest.mark.parametrize(
    "line",
    [
        "RIP: 0033:0x47b7a0",
        "pc : [<80b0f484>]    lr : [<801a7168>]    psr: 200f0013",
        "IPv6: ADDRCONF(NETDEV_UP): dummy0",
    ],
)
def test_registers_that_name_no_function(line: str) -> None:
    assert list(read_stacks([line], RULES)) == []


@pytest.mark.parametrize(
    "line", ["pc " + "a" * 4000, " " + "a." * 2000, "at: " * 1000, " [<" * 900]
)
def test_long_lines_take_no_long_time(line: str) -> None:
    begun = time.process_time()
    assert blame("lockdep", "a title", [line + "+0x"] * 300, RULES).trace == ()
    assert time.process_time() - begun < 3  # seconds; a search that is not linear takes minutes


@pytest.mark.parametrize("function", UNDER_TEST)
def test_memory_management_is_no_machinery(function: str) -> None:
    assert function not in RULES.noise


@pytest.mark.parametrize("function", MACHINERY)
def test_what_serves_others_is_machinery(function: str) -> None:
    assert function in RULES.noise


def test_what_an_interrupt_stopped_is_not_to_blame() -> None:
    assert (
        fingerprint(
            "oops",
            "general protection fault: 0000 [#1] SMP",
            "RIP: 0010:pin_timeout+0x1/0x2",
            "Call Trace:",
            " <IRQ>",
            " call_timer_fn+0x1/0x2",
            " handle_softirqs+0x1/0x2",
            " sysvec_apic_timer_interrupt+0x1/0x2",
            " </IRQ>",
            " asm_sysvec_apic_timer_interrupt+0x1/0x2",
            "RIP: 0010:copy_page_range+0x1/0x2",
            " copy_process+0x1/0x2",
        )
        == "oops:pin_timeout"
    )


def test_a_stall_is_where_the_stalled_processor_was_and_not_an_idle_one() -> None:
    report = [
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: \t1-....: (5249 ticks this GP) idle=1cf4/1/0x4000000000000002",
        "Sending NMI from CPU 2 to CPUs 0:",
        "NMI backtrace for cpu 0",
        "RIP: 0010:default_idle+0x1/0x2",
        "Call Trace:",
        " tick_broadcast_pin+0x1/0x2",
        " do_idle+0x1/0x2",
        "Sending NMI from CPU 2 to CPUs 1:",
        "NMI backtrace for cpu 1",
        "RIP: 0010:pin_spin+0x1/0x2",
        "Call Trace:",
        " pin_loop+0x1/0x2",
    ]
    assert fingerprint("rcu-stall", *report) == "rcu-stall:pin_spin:pin_loop"


def test_who_stumbles_upon_an_overwritten_object_is_not_named() -> None:
    """It is somebody else each time; a second free is not."""
    owners = ["Allocated in pin_get+0x1/0x2 age=1 cpu=0 pid=1", "Call Trace:", " finder+0x1/0x2"]
    overwritten = "BUG kmalloc-64 (Not tainted): Poison overwritten"
    assert fingerprint("slab", overwritten, *owners) == "slab:pin_get"
    twice = "BUG kmalloc-64 (Not tainted): Object already free"
    assert fingerprint("slab", twice, *owners) == "slab:pin_get:finder"


def test_without_a_telling_function_the_title_has_to_do() -> None:
    title = "BUG: Bad rss-counter state mm:00000000f0a1b2c3 type:MM_ANONPAGES val:1"
    assert fingerprint("bad-page", title) == (
        "bad-page:bug-bad-rss-counter-state-mm-type-mm_anonpages-val"
    )
