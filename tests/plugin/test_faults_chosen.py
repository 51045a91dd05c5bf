# SPDX-License-Identifier: Apache-2.0
"""With which faults scenarios run: what their marker says, and what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
FILE = """
import pytest

@pytest.mark.notices("no-migration", vfio=("caller-vfio", "anon"), rdma="caller-umem")
@pytest.mark.pins("rdma", "vfio")
def test_pins(movable_dimm, pinner):
    pass

@pytest.mark.notices(remote="entry-remote")
@pytest.mark.parametrize("entry", ["remote", "memfd"])
def test_entry(guest, entry):
    pass

@pytest.mark.scenario(1, "nothing pinned", control=True)
def test_control(guest):
    pass
"""
LONG = """
import pytest

@pytest.mark.long
@pytest.mark.notices("anon")
def test_long(guest):
    pass
"""


@pytest.fixture
def collected(run, pytester: pytest.Pytester, kernel_image: Path):
    def collected(*words: str, file: str = FILE) -> list[str]:
        pytester.makepyfile(file)
        done = run("--collect-only", "-q", "--kernel", f"image:{kernel_image}", *words)
        assert done.code == 0, done.err + done.out
        return [test.replace("6.1.99", "V") for test in done.tests]

    return collected


PLAIN = [
    "test_pins[V-rdma]",
    "test_pins[V-vfio]",
    "test_entry[V-remote]",
    "test_entry[V-memfd]",
    "test_control[V]",
]
PROOFS = [
    "test_pins[V-rdma-no-migration]",
    "test_pins[V-rdma-caller-umem]",
    "test_pins[V-vfio-no-migration]",
    "test_pins[V-vfio-caller-vfio]",
    "test_pins[V-vfio-anon]",
    "test_entry[V-entry-remote-remote]",
]


def test_without_being_asked_none(collected):
    assert collected() == PLAIN


def test_to_prove_each_variant_with_the_faults_that_it_names(collected):
    assert sorted(collected("--prove")) == sorted([*PLAIN, *PROOFS])


def test_to_prove_with_no_others(collected):
    chosen = ["test_pins[V-vfio-anon]", "test_entry[V-entry-remote-remote]"]
    words = ("--prove", "--faults", "anon, entry-remote", "--faults", "file")
    assert sorted(collected(*words)) == sorted([*PLAIN, *chosen])


def test_everything_with_the_faults_that_were_asked_for(collected):
    assert sorted(collected("--faults", "anon,file")) == sorted(
        test.replace("]", f"-{fault}]").replace(f"-{word}-{fault}]", f"-{fault}-{word}]")
        for test in PLAIN
        for fault in ("anon", "file")
        for word in [test.rpartition("-")[2].rstrip("]") if "entry" in test else "none"]
    )


def without_variants(tests):
    return sorted(test.partition("[")[0] for test in tests)


def test_one_variant_with_each_fault_of_those_that_name_it(collected):
    found = collected("--prove", "--one-variant")
    assert [test for test in found if test in PLAIN] == PLAIN
    proofs = {test for test in found if test not in PLAIN}
    assert proofs < set(PROOFS)
    assert len([test for test in proofs if "no-migration" in test]) == 1
    assert {test for test in PROOFS if "no-migration" not in test} < proofs


def test_one_variant_is_another_with_another_seed_and_the_same_with_the_same(collected):
    words = ("--prove", "--one-variant", "--faults", "no-migration")
    runs = [tuple(collected(*words, "--seed", str(seed))) for seed in (*range(8), *range(8))]
    assert runs[:8] == runs[8:]
    assert len({*runs}) == 2


def test_one_variant_of_each_scenario_and_control_with_what_it_does_not_name(collected):
    found = collected("--faults", "anon,file", "--one-variant")
    assert without_variants(found) == sorted(2 * ["test_pins", "test_entry", "test_control"])
    assert "test_pins[V-vfio-anon]" in found


def test_what_takes_long_runs_with_what_it_names_alone(collected):
    words = ("--faults", "anon,file")
    assert len(collected(*words, file=LONG)) == 2
    assert collected(*words, "--one-variant", file=LONG) == ["test_long[V-anon]"]


@pytest.mark.parametrize("marker", ["'anom'", "rdma='anom'", "rdma=('anon', 'anom')"])
def test_a_fault_that_there_is_not_is_told(run, pytester, kernel_image, marker: str):
    pytester.makepyfile(f"import pytest\n@pytest.mark.notices({marker})\ndef test_x(guest): pass")
    done = run("--collect-only", "--kernel", f"image:{kernel_image}")
    assert "test_x[6.1.99]: mark.notices: no fault 'anom'; there are " in done.complaint
    words = ("--kernel", f"image:{kernel_image}", "--faults", "anom")
    assert "--hotremove-faults: no fault 'anom'" in run("--collect-only", *words).complaint
