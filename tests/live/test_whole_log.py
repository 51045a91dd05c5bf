# SPDX-License-Identifier: Apache-2.0
"""A report among the records that the ring lost: seen on the console, or the scenario is lost."""

import pytest

pytestmark = [pytest.mark.live, pytest.mark.takes(100)]

# 6,000 records of 894 bytes at debug level, which the console does not show: the ring has 4 MiB.
SCENARIOS = """
import pytest

WARN = "mount -t debugfs d /sys/kernel/debug; echo warn >/sys/kernel/debug/splat/provoke"
FLOOD = (
    "yes '<7>'$(head -c 890 /dev/zero | tr '\\\\0' x) | head -n 6000 >/run/flood;"
    " dd if=/run/flood of=/dev/kmsg bs=894"
)

@pytest.fixture
def splat(guest, farm, kernel):
    guest.control.write("/run/splat.ko", farm.kmods(kernel).find("splat").read_bytes())
    guest.control.check("insmod /run/splat.ko")

def overrun(guest, before, quiet=False):
    guest.control.check("kill -STOP $(pidof evidence)")
    if quiet:
        guest.control.check("echo 1 >/proc/sys/kernel/printk")
    guest.control.check(before)
    guest.control.check(FLOOD, 120)
    guest.control.check("kill -CONT $(pidof evidence)")

@pytest.mark.hotremove
def test_console_has_it(guest, splat):
    overrun(guest, WARN)

@pytest.mark.hotremove
def test_console_has_nothing(guest):
    overrun(guest, "true")

@pytest.mark.hotremove
def test_console_was_quiet(guest, splat):
    overrun(guest, WARN, quiet=True)

@pytest.mark.hotremove
def test_rest_of_the_log_has_evidence(guest, splat):
    guest.control.check(WARN)
    guest.dmesg()
    overrun(guest, "true", quiet=True)

@pytest.mark.hotremove
def test_nothing_is_lost(guest):
    pass
"""


@pytest.fixture(scope="module")
def overrun(module_laboratory):
    """One run of all of them."""
    return module_laboratory.run(SCENARIOS, "-n", "2", seconds=400)


@pytest.mark.parametrize(
    ("name", "verdict", "told"),
    [
        ("test_console_has_it", "fail", "the kernel reported: WARNING"),
        ("test_console_has_nothing", "pass", ""),
        ("test_console_was_quiet", "lost", "records lost, and a mark did not come to its console"),
        ("test_rest_of_the_log_has_evidence", "fail", "the kernel reported: WARNING"),
        ("test_nothing_is_lost", "pass", ""),
    ],
)
def test_verdict(overrun, name, verdict, told):
    result = overrun.results[name]
    assert result.verdict == verdict, overrun.text
    assert told in result.message
    if verdict == "lost":
        assert result.message.startswith("the kernel's log is not whole: ")
        assert int(result.message.split()[6]) > 1000
