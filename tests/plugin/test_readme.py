# SPDX-License-Identifier: Apache-2.0
"""What the README says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hotremove.kernels.spec import SOURCES
from hotremove.pins.registry import OWN
from hotremove.plugin.options import DEFAULT_KERNEL

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
WRITING = (ROOT / "docs/writing-scenarios.md").read_text()


def cells(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_it_opens_with_the_two_commands() -> None:
    commands = README.split("```sh\n", 1)[1].split("```")[0]
    assert re.findall(r"^\S+ \S+", commands, re.MULTILINE) == ["./lab hotremove", "./lab test"]
    assert README.index("```sh") < 30


def test_the_options_are_those_of_help(run) -> None:
    told = run("--help").out.split("memory hot-remove farm:")[1]
    options = re.findall(r"^  (--[\w-]+)(?:=(\S+))?", told.split("\n\n")[0], re.MULTILINE)
    known = [f"{name} {value}".strip() for name, value in options]
    rows = cells(README, "Options")
    listed = re.findall(r"`(.+?)`", " ".join(row[0] for row in rows))
    assert sorted(listed) == sorted(known)
    short = re.findall(r"`(.+?)`", " ".join(row[1] for row in rows))
    assert short == [f"--{one.split()[0].removeprefix('--hotremove-')}" for one in listed]


def test_the_ini_keys_are_those_of_help(run) -> None:
    keys = re.findall(r"^  (hotremove_\w+) \(", run("--help").out, re.MULTILINE)
    assert sorted(row[2].strip("`") for row in cells(README, "Options") if row[2]) == sorted(keys)


def test_the_defaults_are_those_of_the_plugin(run, pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "no:hypothesispytest")
    for _, _, key, default, _ in cells(README, "Options"):
        if "`" in default:
            found = config.getini(key.strip("`"))
            assert default.strip("`") == (found[0] if isinstance(found, list) else found)


def test_the_specs_are_those_the_farm_knows() -> None:
    told = " ".join(row[0] for row in cells(README, "Which kernel"))
    assert {re.split(r"[:`]", spec)[0] for spec in re.findall(r"`(\S+)`", told)} == set(SOURCES)
    assert DEFAULT_KERNEL.split(":")[0] in SOURCES


def test_the_scenario_can_be_collected(run, pytester: pytest.Pytester, kernel_image: Path) -> None:
    source = README.split("```python\n", 1)[1].split("```")[0]
    assert len(source.split("\n\n\n")[1].splitlines()) <= 10
    pytester.makepyfile(test_example=source)
    done = run("--strict-markers", "--collect-only", "-q", "--kernel", f"image:{kernel_image}")
    assert done.tests == [
        "test_half_the_dimm_is_pinned[6.1.99-rdma]",
        "test_half_the_dimm_is_pinned[6.1.99-vfio]",
    ]


def test_the_files_it_leads_to_are_there() -> None:
    pages = {
        **{name: (ROOT / name).read_text() for name in ("CONTRIBUTING.md", "CHANGELOG.md")},
        "README.md": README,
        **{f"docs/{p.name}": p.read_text() for p in ROOT.glob("docs/*.md")},
    }
    for page, text in pages.items():
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page} leads to {link}"


def test_the_fixtures_and_markers_for_writers_exist(run, kernel_image: Path) -> None:
    fixtures = run("--fixtures", "--kernel", f"image:{kernel_image}").out
    for row in cells(WRITING, "Fixtures"):
        for name in re.findall(r"`(\w+)`", row[0]):
            assert re.search(rf"^{name}\b", fixtures, re.MULTILINE), name
    markers = run("--markers").out
    for row in cells(WRITING, "Markers"):
        for name in re.findall(r"`(\w+)", row[0]):
            assert f"@pytest.mark.{name}" in markers
    assert set(OWN) <= set(re.findall(r"`(\w+)`", WRITING))
