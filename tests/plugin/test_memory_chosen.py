# SPDX-License-Identifier: Apache-2.0
"""How the memory comes that scenarios remove: as asked for, and told where that is unusual."""

from __future__ import annotations

from pathlib import Path

import kernel_samples as samples
import pytest

pytest_plugins = ["pytester"]
FILE = """
import pytest

@pytest.mark.notices("no-migration", "eject-early")
@pytest.mark.pins("rdma")
def test_memory(movable_memory, pinner):
    pass

def test_dimm(movable_dimm):
    pass

def test_dax(dax_kmem):
    pass
"""
PLAIN = ["test_memory[V-rdma]", "test_dimm[V]", "test_dax[V]"]
VIRTIO_MEM = ["test_memory[V-rdma-virtio-mem]", "test_dimm[V]", "test_dax[V]"]


@pytest.fixture
def other_image(tmp_path: Path) -> Path:
    """A kernel whose memory comes by virtio-mem by default."""
    path = tmp_path / "Image"
    path.write_bytes(samples.arm64_image())
    return path


@pytest.fixture
def collected(run, pytester: pytest.Pytester, kernel_image: Path):
    def collected(*words: str) -> list[str]:
        pytester.makepyfile(FILE)
        done = run("--collect-only", "-q", "--kernel", f"image:{kernel_image}", *words)
        assert done.code == 0, done.err + done.out
        return [test.replace("6.1.99", "V") for test in done.tests]

    return collected


@pytest.mark.parametrize("words", [(), ("--memory", "dimm")])
def test_ids_say_nothing_of_the_usual_memory(collected, words: tuple[str, ...]):
    assert collected(*words) == PLAIN


def test_ids_tell_of_other_memory_where_a_test_does_not_care(collected, pytester: pytest.Pytester):
    assert collected("--memory", "virtio-mem") == VIRTIO_MEM
    pytester.makeini("[pytest]\nhotremove_memory = virtio-mem")
    assert collected() == VIRTIO_MEM


def test_both_kinds_in_one_run(collected):
    tests = collected("--memory", "dimm", "--memory", "virtio-mem")
    assert sorted(tests) == sorted({*PLAIN, *VIRTIO_MEM})


@pytest.mark.parametrize("words", [(), ("--memory", "virtio-mem")])
def test_what_is_usual_is_a_matter_of_the_kernel(collected, other_image, words: tuple[str, ...]):
    tests = collected("--kernel", f"image:{other_image}", *words)
    assert set(tests) >= {one.replace("[V", "[V-arm64") for one in PLAIN}
    assert len(tests) == 2 * len(PLAIN)
    assert ("test_memory[V-rdma-virtio-mem]" in tests) == bool(words)


def test_each_test_once_however_memory_is_named(collected, other_image):
    both = collected(
        "--kernel", f"image:{other_image}", "--memory", "dimm", "--memory", "virtio-mem"
    )
    assert sorted(one for one in both if "test_memory" in one) == [
        "test_memory[V-arm64-rdma-dimm]",
        "test_memory[V-arm64-rdma]",
        "test_memory[V-rdma-virtio-mem]",
        "test_memory[V-rdma]",
    ]


def test_a_fault_of_ejects_is_proved_with_dimms_only(collected):
    proofs = ["test_memory[V-rdma-no-migration]", "test_memory[V-rdma-eject-early]"]
    assert sorted(collected("--prove")) == sorted([*PLAIN, *proofs])
    proofs = ["test_memory[V-rdma-virtio-mem-no-migration]"]
    assert sorted(collected("--prove", "--memory", "virtio-mem")) == sorted([*VIRTIO_MEM, *proofs])


def test_memory_that_takes_a_module_is_left_out_with_modules(
    run, pytester, kernel_image: Path, monkeypatch
):
    monkeypatch.setattr("hotremove.session.farm.Farm.prepare", lambda farm: None)
    monkeypatch.setattr("hotremove.plugin.reporting.header", lambda farm: [])
    pytester.makepyfile(FILE)
    words = ("--kernel", f"image:{kernel_image}", "--memory", "dimm-by-module", "-k", "test_memory")
    done = run(*words, "--without", "modules", "-rs")
    assert "--hotremove-without modules" in done.out
    assert "1 skipped" in done.out


def test_an_unknown_kind_is_told(run, pytester: pytest.Pytester, kernel_image: Path):
    pytester.makepyfile(FILE)
    pytester.makeini("[pytest]\nhotremove_memory = nvdimm")
    done = run("--kernel", f"image:{kernel_image}")
    assert (
        done.complaint
        == "ERROR: hotremove_memory = nvdimm: one of dimm, virtio-mem, dimm-by-module"
    )


def test_a_marker_says_how_much(run, pytester: pytest.Pytester, kernel_image: Path):
    marked = FILE.replace("def test_memory", "@pytest.mark.memory('big')\ndef test_memory")
    pytester.makepyfile(marked)
    assert "mark.memory" in run("--kernel", f"image:{kernel_image}").complaint
