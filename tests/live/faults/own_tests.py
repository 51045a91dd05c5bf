# SPDX-License-Identifier: Apache-2.0
"""The kernel's own tests where they fail, hang, or take the guest with them; scripts stand in.

Collected only where a test names this file.
"""

import pytest

from hotremove.selftests.build import Built

pytestmark = pytest.mark.hotremove

HEAD = "#!/bin/sh\necho TAP version 13\necho 1..3\necho 'ok 1 locked'\n"
PROGRAMS = {
    "fails": "echo 'not ok 2 unlocked'\necho 'ok 3 # SKIP no such user'\nexit 1\n",
    "cut_off": "exit 0\n",
    "dies": "echo '# [RUN] merged'\nsleep 1\necho c >/proc/sysrq-trigger\nsleep 60\n",
    "killed": "echo 'ok 2 a'\necho 'ok 3 b'\nkill -SEGV $$\n",
}


@pytest.fixture
def _hotremove_selftests(request, tmp_path):
    program = tmp_path / "mlock2-tests"
    program.write_text(HEAD + PROGRAMS[request.node.originalname.removeprefix("test_")])
    return Built((program,), {}, "toy")


@pytest.mark.scenario(1, "fails")
def test_fails(selftests):
    selftests.run("mlock").expect_passed()


@pytest.mark.scenario(2, "cut off")
def test_cut_off(selftests):
    selftests.run("mlock").expect_passed()


@pytest.mark.scenario(3, "dies")
def test_dies(selftests):
    selftests.run("mlock").expect_passed()


@pytest.mark.scenario(4, "killed")
def test_killed(selftests):
    selftests.run("mlock").expect_passed()
