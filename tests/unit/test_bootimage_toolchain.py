# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from hotremove.bootimage import kmods
from hotremove.bootimage.kmods import build_kmods, kmod_names
from hotremove.bootimage.toolchain import find_toolchain
from hotremove.cache import Cache
from hotremove.errors import Blocked, HostProblem
from hotremove.kernels.distro.buildroot import refusal
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.resources import source_folder

# mmdebstrap's own words around apt's.
UNMET = """I: running apt-get update...
W: Download is performed unsandboxed as root as file /var/tmp/x/lists couldn't be accessed
The following packages have unmet dependencies:
 linux-headers-1-amd64 : Depends: linux-kbuild-1 but it is not installable
E: Unable to correct problems, broken packages.
E: setup failed: E: apt-get -o Dir::Bin::dpkg=env --yes install make linux-headers-1-amd64 failed
E: mmdebstrap failed to run
"""


def kernel(headers):
    return Kernel("x", "6.1.0", "6.1.0", Path("/none"), None, headers=headers)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def tree(tmp_path):
    """A build tree whose make does what `modules:` says."""

    def make(recipe):
        lines = "".join(f"\t{line}\n" for line in recipe)
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree/Makefile").write_text(f"modules:\n{lines}")
        return kernel(HeadersSource(directory=tmp_path / "tree"))

    return make


@pytest.mark.parametrize("headers", [None, HeadersSource(), HeadersSource(suite="bookworm")])
def test_unknown_headers_are_told(cache, headers):
    with pytest.raises(Blocked, match="no headers are known"):
        find_toolchain(kernel(headers), cache)


def test_a_folder_without_a_build_tree_is_told(cache, tmp_path):
    with pytest.raises(Blocked, match="not a kernel's build tree"):
        find_toolchain(kernel(HeadersSource(directory=tmp_path)), cache)


def test_what_mmdebstrap_says_is_told():
    log = "I: running\nE: Unable to locate package linux-headers-1-amd64\nE: apt-get failed\n"
    assert "no longer has linux-headers-1-amd64 in sid" in str(refusal("sid", log))
    assert "cannot do that" in str(refusal("sid", "W: x\nE: cannot do that\n"))
    assert "no reason given" in str(refusal("sid", ""))
    assert str(refusal("sid", UNMET)).endswith("Depends: linux-kbuild-1 but it is not installable")
    failed = UNMET.replace("Depends", "Suggests")
    assert str(refusal("sid", failed)).endswith(": Unable to correct problems, broken packages.")
    full = refusal("sid", "E: write failed (28: No space left on device)")
    assert isinstance(full, HostProblem)


def test_every_module_has_sources_and_a_licence():
    names = kmod_names()
    assert "pin_hold" in names
    for name in names:
        folder = source_folder("kmods") / name
        for path in [folder / "Kbuild", *folder.glob("*.[ch]")]:
            assert "SPDX-License-Identifier: GPL-2.0-only" in path.read_text().splitlines()[0]


def test_modules_that_build_are_kept_and_the_others_explained(cache, tree):
    good, bad = kmod_names()[0], kmod_names()[-1]
    under_test = tree(
        [
            f'case "$(MODULES)" in *{bad}*) echo "x.c:1: error: no such thing" >&2; exit 1;; esac',
            'for name in $(MODULES); do echo elf > "$(M)/$$name/$$name.ko"; done',
        ]
    )
    assert good != bad
    built = build_kmods(under_test, cache)
    assert bad not in {path.stem for path in built.modules}
    assert good in {path.stem for path in built.modules}
    assert built.absent == {bad: "x.c:1: error: no such thing"}
    assert build_kmods(under_test, cache) == built


def test_nothing_is_kept_when_none_builds(cache, tree):
    under_test = tree(["echo 'cc: error: unknown option' >&2; exit 1"])
    with pytest.raises(Blocked, match="unknown option"):
        build_kmods(under_test, cache)
    assert not list((cache.root / "kmods").iterdir())


def test_the_reasons_are_kept_with_the_modules(cache, tree):
    built = build_kmods(
        tree(['for name in $(MODULES); do echo elf > "$(M)/$$name/$$name.ko"; done']), cache
    )
    record = json.loads((built.modules[0].parent / kmods._ABSENT).read_text())
    assert record == built.absent == {}
