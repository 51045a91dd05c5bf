# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for other programs: `--junitxml`, and the files in --artifacts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ktap_reader import read_ktap
from lxml import etree

from hotremove.cli.main import main
from hotremove.results.record import read_whole

pytest_plugins = ["pytester"]

JUNIT = Path(__file__).resolve().parents[1] / "unit" / "junit.xsd"
SCENARIOS = """
import pytest

from hotremove.errors import CapabilityAbsent, GuestLost

@pytest.mark.scenario(1, "a pin is held")
def test_passes(kernel):
    pass

@pytest.mark.scenario(2, "nothing is pinned")
def test_fails(kernel):
    assert False, "stuck \\x1b[31m<b>"

def test_skips(kernel):
    raise CapabilityAbsent("CONFIG_RDMA_RXE is not set")

def test_lost(kernel):
    raise GuestLost("QEMU was killed")

def test_plain():
    pass
"""


@pytest.fixture
def finished(run, pytester: pytest.Pytester, kernel_image: Path, tmp_path: Path, monkeypatch):
    """A finished run of scenarios that boot nothing."""
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    pytester.makepyfile(test_it=SCENARIOS)
    words = ("--artifacts", tmp_path / "kept", "--junitxml", tmp_path / "junit.xml")
    run("--kernel", f"image:{kernel_image}", *words)
    return tmp_path


def test_junitxml_has_the_properties_and_stays_valid(finished: Path) -> None:
    root = etree.parse(finished / "junit.xml").getroot()
    etree.XMLSchema(file=str(JUNIT)).assertValid(root)
    told = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in root.iter("testcase")
    }
    assert told["test_passes[6.1.99]"]["scenario"] == "1 a pin is held"
    assert told["test_passes[6.1.99]"]["verdict"] == "pass"
    assert told["test_fails[6.1.99]"]["verdict"] == "fail"
    assert told["test_skips[6.1.99]"]["verdict"] == "absent"
    assert told["test_lost[6.1.99]"]["verdict"] == "lost"
    assert told["test_plain"] == {}


def test_the_record_and_the_reports_lie_in_artifacts(finished: Path) -> None:
    kept = finished / "kept"
    record = read_whole(kept / "results.json")
    assert [result.verdict for result in record.results] == ["pass", "fail", "absent", "lost"]
    assert record.started.endswith("+00:00")
    assert record.environment["topology"] == "movable-node"
    assert (kept / "results.ktap").read_text().startswith("KTAP version 1\n1..1\n")
    assert "| 2 nothing is pinned | fail |" in (kept / "report.md").read_text()
    assert "2 nothing is pinned" in (kept / "report.html").read_text()
    assert not list(kept.glob(".*"))


def test_a_test_that_is_tried_again_is_told_as_flaky(
    run, pytester: pytest.Pytester, kernel_image: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    pytester.makepyfile(
        test_it="""
        tries = []

        def test_settles(kernel):
            tries.append(1)
            assert len(tries) > 1
        """
    )
    pytester.makeconftest(
        (pytester.path / "conftest.py").read_text()
        + """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        runtestprotocol(item, nextitem=nextitem)
    return True
"""
    )
    run("--kernel", f"image:{kernel_image}", "--artifacts", tmp_path / "kept")
    (result,) = read_whole(tmp_path / "kept" / "results.json").results
    assert (result.verdict, result.attempts, result.flaky) == ("pass", ("fail",), True)


def test_every_format_tells_a_retry_as_one(
    run, pytester: pytest.Pytester, kernel_image: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    pytester.makepyfile(
        test_it="""
        import pytest
        tries = []

        @pytest.mark.scenario(1, "a pin is held")
        def test_settles(kernel):
            tries.append(1)
            assert len(tries) > 1
        """
    )
    kept = tmp_path / "kept"
    words = ("--artifacts", kept, "--junitxml", tmp_path / "junit.xml", "--reruns=1")
    done = run("--kernel", f"image:{kernel_image}", *words)
    assert "1 passed, 1 rerun" in done.out
    assert "pass, 2 tries" in done.out
    assert "1 pass; 1 flaky" in done.out
    assert "6.1.99, 1 a pin is held: fail, then pass" in done.out
    for form in ("junit", "kcidb"):
        assert main(["report", str(kept), f"--{form}", str(kept / form)]) == 0
    for file in (tmp_path / "junit.xml", kept / "junit"):
        etree.XMLSchema(file=str(JUNIT)).assertValid(etree.parse(file))
    told = etree.parse(kept / "junit").xpath('//property[@name="attempts"]/@value')
    assert told == ["fail"]
    assert json.loads((kept / "kcidb").read_text())["tests"][0]["misc"]["attempts"] == ["fail"]
    assert ": fail, then pass, " in (kept / "results.ktap").read_text()
    assert "pass, 2 tries" in (kept / "report.md").read_text()
    page = (kept / "report.html").read_text()
    assert "2 tries" in page
    assert "<dt>earlier tries</dt><dd>fail</dd>" in page


def test_two_kernels_of_one_version_stay_two_everywhere(
    run, pytester: pytest.Pytester, kernel_image: Path, tmp_path: Path, monkeypatch
) -> None:
    """As `debian:bookworm` and `debian-source:bookworm+kasan` are: one version and release."""
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    other = tmp_path / "other+kasan"
    other.write_bytes(kernel_image.read_bytes())
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.scenario(1, "a pin is held")
        def test_row(kernel):
            assert "kasan" not in kernel.spec
        """
    )
    kept = tmp_path / "kept"
    specs = [f"image:{kernel_image}", f"image:{other}"]
    done = run(*(f"--kernel={spec}" for spec in specs), "--artifacts", kept)
    results = read_whole(kept / "results.json").results
    assert [result.verdict for result in results] == ["pass", "fail"]
    labels = [result.kernel_label for result in results]
    assert len(set(labels)) == 2
    assert all(label.startswith("6.1.99-image-") for label in labels)
    assert re.search(rf"scenario +{re.escape(labels[0])} +{re.escape(labels[1])}\n", done.out)
    assert re.search(r"^1 a pin is held +pass +fail$", done.out, re.MULTILINE)
    assert f"{labels[1]}: looked at 1 of the 1 " in done.out
    for form in ("junit", "kcidb"):
        assert main(["report", str(kept), f"--{form}", str(kept / form)]) == 0
    ktap = read_ktap((kept / "results.ktap").read_text().splitlines())
    assert [(ok, name.rpartition("/")[2]) for ok, name, _ in ktap.results] == [
        (True, "bzImage)"),
        (False, "other+kasan)"),
    ]
    assert len(etree.parse(kept / "junit").findall("testsuite")) == 2
    document = json.loads((kept / "kcidb").read_text())
    assert len({build["id"] for build in document["builds"]}) == 2
    assert {test["build_id"] for test in document["tests"]} == {
        build["id"] for build in document["builds"]
    }
