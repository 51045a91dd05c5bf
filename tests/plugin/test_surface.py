# SPDX-License-Identifier: Apache-2.0
"""What a user of the plugin sees before any guest boots: options, markers, ids of tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kernel_samples as samples
import pytest

pytest_plugins = ["pytester"]

PLUGINS = str(Path(__file__).resolve().parents[2] / "plugins")


def test_ids_carry_the_kernels_version_and_the_pin_path(
    run, pytester: pytest.Pytester, kernel_image: Path
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_boots(guest):
            pass

        @pytest.mark.pins("rdma", "vfio")
        def test_pins(movable_dimm, pinner):
            pass
        """
    )
    done = run("--collect-only", "-q", "--kernel", f"image:{kernel_image}")
    assert done.code == 0, done.err
    assert done.tests == [
        "test_boots[6.1.99]",
        "test_pins[6.1.99-rdma]",
        "test_pins[6.1.99-vfio]",
    ]


def test_wide_rows_are_in_the_main_job(run, pytester: pytest.Pytester, kernel_image: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.wide
        @pytest.mark.scenario(11, "hugetlb")
        def test_row(guest):
            pass

        @pytest.mark.wide
        @pytest.mark.scenario(999, "of which the lineage knows nothing")
        def test_unknown(guest):
            pass

        @pytest.mark.hotremove
        def test_other(guest):
            pass
        """
    )
    words = ("--collect-only", "-q", "-m", "hotremove", "--kernel", f"image:{kernel_image}")
    every = ["test_row[6.1.99]", "test_unknown[6.1.99]", "test_other[6.1.99]"]
    for expect in ("strict", "lineage"):
        assert run(*words, "--expect", expect).tests == every


def test_a_run_for_each_kernel(run, kernel_image: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(samples.image("7.2.0-1-amd64", samples.BUILD.replace("6.1.99", "7.2.12")))
    words = ("--kernel", f"image:{kernel_image}", "--kernel", f"image:{other}")
    assert run("--collect-only", "-q", *words).tests == [
        "test_boots[6.1.99]",
        "test_boots[7.2.12]",
    ]


def test_kernels_of_one_version_are_told_apart(run, kernel_image: Path, tmp_path: Path) -> None:
    other = tmp_path / "cloud"
    other.write_bytes(samples.image("6.1.0-9-cloud-amd64"))
    words = ("--kernel", f"image:{kernel_image}", "--kernel", f"image:{other}")
    assert run("--collect-only", "-q", *words).tests == [
        "test_boots[6.1.99-6.1.0-9-amd64]",
        "test_boots[6.1.99-6.1.0-9-cloud-amd64]",
    ]


def test_a_kernel_given_twice_is_run_once(run, kernel_image: Path) -> None:
    words = ("--kernel", f"image:{kernel_image}") * 2
    assert run("--collect-only", "-q", *words).tests == ["test_boots[6.1.99]"]


def test_the_kernels_of_the_ini_file_give_way_to_the_command_line(
    run, pytester: pytest.Pytester, kernel_image: Path
) -> None:
    pytester.makeini(f"[pytest]\nhotremove_kernels = image:{kernel_image}\n")
    assert run("--collect-only", "-q").tests == ["test_boots[6.1.99]"]
    assert "unknown kernel spec 'other'" in run("--kernel", "other").complaint


def test_markers_are_registered(run, kernel_image: Path) -> None:
    done = run("--markers")
    for name in ("hotremove", "scenario(", "topology(", "dimm(", "pins("):
        assert f"@pytest.mark.{name}" in done.out


@pytest.mark.parametrize("word", ["--collect-only", "--fixtures", "--fixtures-per-test"])
def test_looking_boots_and_builds_nothing(
    run, kernel_image: Path, tmp_path: Path, word: str
) -> None:
    run(word, "--kernel", f"image:{kernel_image}")
    made = {path.name for path in (tmp_path / "cache").glob("*")}
    assert made <= {"kernels", "locks"}


def test_a_run_without_guests_has_no_table(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain():\n    pass\n")
    done = run()
    assert done.code == 0
    assert "hotremove: " not in done.out
    assert "hot-remove" not in done.out


def test_a_plugin_that_is_installed_loads_without_a_warning(tmp_path: Path) -> None:
    """As from an editable installation, whose files pytest does not know beforehand."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": PLUGINS}
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "hotremove.plugin", "--co"]
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 5, done.stdout + done.stderr
    assert "Warning" not in done.stderr
