# SPDX-License-Identifier: Apache-2.0
"""Runs with workers, as far as they go without a guest: wrong input, how many workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotremove.farm import capacity

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--kernel", "image:/nowhere/bzImage"), "there is no file /nowhere/bzImage"),
        (("nothing-of-that-name",), "file or directory not found: nothing-of-that-name"),
        (("--gdb", "1234"), "only one guest can have the port: leave out -n"),
        (("--topology", "no-such"), "no-such"),
    ],
)
def test_wrong_input_is_told_once(run, kernel_image: Path, words, told) -> None:
    kernel = ("--kernel", f"image:{kernel_image}")
    assert told in run("-n", "2", *(() if "--kernel" in words else kernel), *words).complaint


def test_a_wrong_marker_is_told_once(run, pytester: pytest.Pytester, kernel_image: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.dimm("big")
        def test_boots(guest):
            pass
        """
    )
    assert "mark.dimm" in run("-n", "2", "--kernel", f"image:{kernel_image}").complaint


def test_all_workers_have_the_controllers_seed(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from hotremove.farm.workers import worker_id
        from hotremove.stash import FARM

        @pytest.mark.parametrize("number", range(4))
        def test_it(number, pytestconfig):
            seed = pytestconfig.stash[FARM].options.seed
            open(f"{worker_id(pytestconfig)}.seed", "w").write(str(seed))
        """
    )
    assert run("-n", "2", "--dist", "load").code == 0
    seeds = [path.read_text() for path in pytester.path.glob("gw*.seed")]
    assert len(seeds) == 2
    assert len(set(seeds)) == 1


@pytest.mark.parametrize(
    ("words", "free", "workers"),
    [
        (("-m", "hotremove"), 1 << 20, 3),
        (("-m", "hotremove"), 5000, 2),
        (("-m", "hotremove"), 100, 1),
        (("-m", "hotremove", "--gdb", "1234"), 1 << 20, 0),
    ],
)
def test_auto_takes_what_has_a_core_and_memory(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words, free: int, workers: int
) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: 3)
    monkeypatch.setattr(capacity, "free_mib", lambda: free)
    config = pytester.parseconfig("-p", "no:hypothesispytest", "-n", "auto", *words)
    assert config.hook.pytest_xdist_auto_num_workers(config=config) == workers


def test_auto_is_xdists_own_for_tests_without_guests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "cores", lambda: 12345)
    config = pytester.parseconfig("-p", "no:hypothesispytest", "-n", "auto")
    assert config.hook.pytest_xdist_auto_num_workers(config=config) < 12345
