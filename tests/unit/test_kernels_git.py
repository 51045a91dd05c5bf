# SPDX-License-Identifier: Apache-2.0
"""Kernels built from commits: toy kernels in real repositories, in real namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import kernel_samples as samples
import pytest
from toy_kernel import make_root, need_git, skip_without_namespaces, tree, write_fragments

from hotremove.architecture.arm64 import ARM64
from hotremove.architecture.x86_64 import X86_64
from hotremove.cache import Cache
from hotremove.cli import bisect, main
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import kbuild, kconfig, spec
from hotremove.kernels.distro import buildroot
from hotremove.kernels.distro.buildroot import Buildroot
from hotremove.kernels.kernel import Kernel
from hotremove.kernels.sources import git as git_source
from hotremove.kernels.sources.git import Commit, Version, parse_request, read_version
from hotremove.plugin.parametrize import kernel_id

BROKEN = "bzImage: broken\n"


@pytest.fixture(scope="module", autouse=True)
def needs() -> None:
    need_git()
    skip_without_namespaces()


class Repository:
    """A repository of toy kernels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=master", str(folder))
        self.git("config", "user.name", "a")
        self.git("config", "user.email", "a@b")

    def git(self, *words: str) -> str:
        where = ["-C", str(self.folder)] if self.folder.exists() else []
        plain = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *where, *words], check=True, env=plain, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, version: str, *, tag: str = "", subject: str = "x", head: str = "") -> str:
        major, minor, point = version.split(".")
        numbers = f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = {point}\n"
        samples.write_tree(self.folder, tree(f"{version}-hotremove", numbers + head))
        (self.folder / "subject").write_text(subject)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", subject)
        if tag:
            self.git("tag", "--annotate", "--message", tag, tag)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two point releases, and two commits after the second."""
    made = Repository(tmp_path / "linux")
    made.commit("6.1.98", tag="v6.1.98")
    made.commit("6.1.99", tag="v6.1.99")
    made.commit("6.1.99", subject="mm: one")
    made.commit("6.1.99", subject="mm: two")
    return made


@pytest.fixture
def suites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The suites of the build roots that were asked for; each has a compiler of its own."""
    asked: list[str] = []

    def get(suite: str, *_: object, **__: object) -> Buildroot:
        asked.append(suite)
        folder = tmp_path / "roots" / suite
        if folder.exists():
            return replace(root, root=folder)
        made = make_root(folder)
        status = folder / "var/lib/dpkg/status"
        status.write_text(status.read_text().replace("12.2.0-14", f"12.2.0-14+{suite}"))
        return made

    root = make_root(tmp_path / "roots" / "any")
    monkeypatch.setattr(buildroot, "get", get)
    return asked


@pytest.fixture
def cache(tmp_path: Path, suites: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Cache:
    folder = write_fragments(tmp_path / "kconfig")
    monkeypatch.setattr(kconfig, "source_folder", lambda name: folder)
    monkeypatch.setenv("HOTREMOVE_CACHE", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


def made_kernels(cache: Cache) -> list[Path]:
    folder = cache.root / "kernels"
    return list(folder.iterdir()) if folder.is_dir() else []


def refusal(text: str, cache: Cache, kind: type[Exception] = UsageProblem) -> str:
    with pytest.raises(kind) as caught:
        spec.resolve(text, cache)
    assert "\n" not in str(caught.value)
    assert made_kernels(cache) == []
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_tag_a_branch_and_a_commit(repository: Repository, cache: Cache, scheme: str) -> None:
    place = f"git:{scheme}{repository.folder}"
    described = repository.git("describe", "--abbrev=12", "HEAD")
    assert described.startswith("v6.1.99-2-g")
    by_tag = spec.resolve(f"{place}#v6.1.98", cache)
    assert (by_tag.label, by_tag.version, by_tag.point_release) == ("v6.1.98", "6.1.98", (6, 1, 98))
    assert by_tag.release == "6.1.98-hotremove"
    newest = spec.resolve(place, cache)
    assert (newest.label, newest.version) == (described, described.removeprefix("v"))
    for ref in ("master", "origin/master", repository.git("rev-parse", "HEAD")):
        if scheme or ref != "origin/master":
            assert spec.resolve(f"{place}#{ref}", cache) == replace(newest, spec=f"{place}#{ref}")
    assert len(made_kernels(cache)) == 2
    [mirror] = (cache.root / "git").iterdir()
    kept = subprocess.run(["git", "-C", mirror, "for-each-ref"], capture_output=True, text=True)
    assert kept.stdout.count("refs/kept/") == 2


def test_a_clone_knows_its_origin(repository: Repository, cache: Cache, tmp_path: Path) -> None:
    clone = Repository(tmp_path / "clone")
    clone.git("remote", "add", "origin", str(repository.folder))
    clone.git("fetch", "--quiet", "origin")
    kernel = spec.resolve(f"git:{clone.folder}#origin/master~2", cache)
    assert kernel.label == "v6.1.99"
    found = spec.resolve(f"git:file://{clone.folder}#origin/master", cache)
    assert found.label == repository.git("describe", "--abbrev=12")
    assert kernel.headers is not None
    assert kernel.headers.directory is not None
    assert (kernel.headers.directory / "Makefile").is_file()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_history_without_tags(repository: Repository, cache: Cache, scheme: str) -> None:
    repository.git("tag", "--delete", "v6.1.98", "v6.1.99")
    commit = repository.git("rev-parse", "HEAD")
    kernel = spec.resolve(f"git:{scheme}{repository.folder}#{commit}", cache)
    assert kernel.label == kernel.version == f"6.1.99-g{commit[:12]}"
    repository.git("tag", "queue/6.1")
    other = Cache(cache.root / "other")
    named = spec.resolve(f"git:{scheme}{repository.folder}#queue/6.1", other)
    assert (named.label, named.version) == ("queue/6.1", kernel.version)


def test_refs_share_objects_and_no_more_is_fetched(repository: Repository, cache: Cache) -> None:
    """A large file lies in the mirror once, and one of another branch not at all."""
    large = os.urandom(1 << 20)
    repository.git("checkout", "--quiet", "-b", "other")
    (repository.folder / "other").write_bytes(os.urandom(1 << 20))
    repository.commit("6.1.99", subject="of another branch")
    repository.git("checkout", "--quiet", "master")
    (repository.folder / "large").write_bytes(large)
    for number in range(3):
        repository.commit("6.1.99", subject=f"mm: {number}", tag=f"v6.1.99-rt{number}")
    for ref in ("v6.1.99-rt0", "v6.1.99-rt1", "master"):
        spec.resolve(f"git:file://{repository.folder}#{ref}", cache)
    files = (path for path in (cache.root / "git").rglob("*") if path.is_file())
    assert len(large) < sum(path.stat().st_size for path in files) < 2 * len(large)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_is_not_there(repository: Repository, cache: Cache, scheme: str) -> None:
    place = f"git:{scheme}{repository.folder}"
    told = f"git:{repository.folder}#v6.1.97: there is no such tag, branch or commit"
    assert refusal(f"{place}#v6.1.97", cache).replace(scheme, "") == told
    assert "no such tag" in refusal(f"{place}#--upload-pack=x", cache)
    assert "#v6.1.98@vax: there is no such tag" in refusal(f"{place}#v6.1.98@vax", cache)
    repository.git("rm", "--quiet", "Makefile")
    repository.git("commit", "--quiet", "-m", "no kernel")
    assert "holds no kernel" in refusal(f"{place}#HEAD", cache)
    assert "no kernel configuration fragment 'kosan'" in refusal(f"{place}#v6.1.98+kosan", cache)
    assert "write debian-source:SUITE+debian" in refusal(f"{place}#v6.1.98+debian", cache)


def test_a_folder_without_a_repository(cache: Cache, tmp_path: Path) -> None:
    assert "not a git repository" in refusal(f"git:{tmp_path}", cache)
    assert f"there is no folder {tmp_path}/no" in refusal(f"git:{tmp_path}/no", cache)
    empty = Repository(tmp_path / "empty")
    assert "#HEAD: there is no such" in refusal(f"git:{empty.folder}", cache)
    for text in ("git:#v6.1", "git:/x#", "git:/x#+kasan"):
        assert "is not whole: write git:REPO" in refusal(text, cache)


def test_changes_that_are_not_committed(repository: Repository, cache: Cache) -> None:
    (repository.folder / "new").write_text("make leaves many")
    (repository.folder / "subject").write_text("changed")
    told = refusal(f"git:{repository.folder}", cache)
    assert "changes that are not committed (subject)" in told
    assert spec.resolve(f"git:{repository.folder}#HEAD", cache).label.startswith("v6.1.99-2-g")


def test_a_server_that_does_not_answer(
    repository: Repository, cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"git:file://{repository.folder}"
    away = tmp_path / "away"
    repository.folder.rename(away)
    assert "cannot be reached: " in refusal(f"{place}#v6.1.98", cache, HostProblem)
    assert "does not give" in refusal(f"{place}#{'a' * 40}", cache, HostProblem)
    away.rename(repository.folder)
    first = spec.resolve(f"{place}#origin/master", cache)
    capsys.readouterr()
    shutil.rmtree(repository.folder)
    assert spec.resolve(f"{place}#origin/master", cache) == first
    told = capsys.readouterr().err.replace("\n", " ")
    assert "cannot be reached" in told
    assert "using origin/master as it was, " in told
    with pytest.raises(HostProblem, match="cannot be reached"):
        spec.resolve(f"{place}#v6.1.98", cache)


def test_a_commit_that_does_not_compile(repository: Repository, cache: Cache) -> None:
    told = refusal(f"git:{repository.folder}#v6.1.99+broken", cache)
    assert told.endswith("(v6.1.99) does not build: mm/gup.c:9: error: no luck")
    assert main.main(["kernels", "build", f"git:{repository.folder}#v6.1.99+broken"]) == 4
    assert main.main(["kernels", "build", f"git:{repository.folder}#v6.1.99"]) == 0


def test_a_patch_on_a_commit(repository: Repository, cache: Cache, tmp_path: Path) -> None:
    patch = tmp_path / "mend.patch"
    patch.write_text(
        "--- a/subject\n+++ b/subject\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n"
    )
    text = f"git:{repository.folder}#v6.1.99"
    plain = spec.resolve(text, cache)
    patched = spec.resolve(f"{text}+patch:{patch}", cache)
    assert patched.image != plain.image
    assert patched.config["LOCALVERSION"] == "-hotremove-mend"
    with pytest.raises(UsageProblem, match=r"mend.patch does not apply to .*#master"):
        spec.resolve(f"git:{repository.folder}#master+patch:{patch}", cache)


def test_a_compiler_of_the_kernels_age_or_the_one_that_is_named(
    repository: Repository, cache: Cache, suites: list[str]
) -> None:
    text = f"git:{repository.folder}"
    first = spec.resolve(f"{text}#v6.1.99", cache)
    named = spec.resolve(f"{text}#v6.1.99+suite:trixie", cache)
    assert suites == ["bookworm", "trixie"]
    assert first.image != named.image
    assert named.headers is not None
    assert named.headers.suite == "trixie"


def test_a_commit_for_another_processor(repository: Repository, cache: Cache) -> None:
    text = f"git:{repository.folder}"
    first = spec.resolve(f"{text}#v6.1.99", cache)
    kernel = spec.resolve(f"{text}#v6.1.99@arm64", cache)
    assert (kernel.arch, kernel.label) == (ARM64, "v6.1.99-arm64")
    assert "GOOD_ARM" in kernel.config
    assert kernel.image != first.image
    assert spec.resolve(f"{text}#master~2@aarch64", cache).image == kernel.image
    assert spec.resolve(f"{text}@arm64", cache).label.startswith("v6.1.99-2-g")
    assert spec.resolve(f"{text}#master@{{2}}@arm64", cache).image == kernel.image
    assert kernel.headers is not None
    assert kernel.headers.packages == (*kbuild.PACKAGES, "gcc-aarch64-linux-gnu")


@pytest.mark.parametrize(
    ("version", "suite"),
    [
        (Version(4, 19, 300), "bullseye"),
        (Version(5, 10, 262), "bullseye"),
        (Version(5, 11, 0), "bookworm"),
        (Version(6, 6, 9), "bookworm"),
        (Version(6, 12, 50), "trixie"),
        (Version(7, 3, 0), "trixie"),
    ],
)
def test_the_suite_of_a_version(version: Version, suite: str) -> None:
    assert version.suite == suite


def test_versions_out_of_a_makefile() -> None:
    text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION =\nNAME = Baby\n"
    assert read_version(text) == Version(6, 13, 0)
    assert Version(6, 13, 0).tag == "v6.13"
    assert Version(6, 13, 0, "-rc2").tag == "v6.13-rc2"
    assert Version(6, 12, 50).tag == "v6.12.50"
    assert read_version("all:\n") is None
    assert read_version("VERSION = $(shell x)\nPATCHLEVEL = 1\nSUBLEVEL = 1\n") is None


@pytest.mark.parametrize(
    ("described", "exact"),
    [
        ("v6.12.50", "6.12.50"),
        ("v6.12.50-3-g1f2e3d4c5b6a", "6.12.50-3-g1f2e3d4c5b6a"),
        ("6.12.50-rt9", "6.12.50-rt9"),
        ("v6.12.49-200-g1f2e3d4c5b6a", "6.12.50-g1f2e3d4c5b6a"),
        ("v2.3-lab", "6.12.50-g1f2e3d4c5b6a"),
        ("v6.12.50.4", "6.12.50-g1f2e3d4c5b6a"),
        ("next-20261127", "6.12.50-g1f2e3d4c5b6a"),
        (None, "6.12.50-g1f2e3d4c5b6a"),
    ],
)
def test_a_version_is_the_makefiles_whatever_a_tag_says(described: str | None, exact: str) -> None:
    """The lineage goes by its numbers."""
    commit = Commit("1f2e3d4c5b6a" + "0" * 28, Version(6, 12, 50), described)
    assert commit.exact == exact
    assert commit.name == (described or exact)


def test_a_release_candidates_version() -> None:
    commit = Commit("1f2e3d4c5b6a", Version(6, 13, 0, "-rc2"), "v6.13-rc2-1-gabcdef012345")
    assert commit.exact == "6.13-rc2-1-gabcdef012345"


def test_specs_are_taken_apart() -> None:
    plain = parse_request("https://example.org/a+b/linux.git#debian/6.1.9-2+deb12u1+kasan")
    assert plain.repository == "https://example.org/a+b/linux.git"
    assert (plain.ref, plain.words) == ("debian/6.1.9-2+deb12u1", ("kasan",))
    whole = parse_request("../linux+patch:a.patch+suite:trixie+lockdep")
    assert (whole.repository, whole.ref, whole.suite) == ("../linux", None, "trixie")
    assert whole.names == ("hotremove", "lockdep")
    assert whole.source == "git:../linux+patch:a.patch+lockdep+suite:trixie"
    other = parse_request("git@example.org:linux#v6.12@arm64+lockdep")
    assert (other.repository, other.ref, other.arch) == ("git@example.org:linux", "v6.12", ARM64)
    assert other.source == "git:git@example.org:linux@arm64+lockdep"
    plain = parse_request("git@example.org:linux#HEAD@{1}")
    assert (plain.repository, plain.ref, plain.arch) == (
        "git@example.org:linux",
        "HEAD@{1}",
        X86_64,
    )
    with pytest.raises(UsageProblem, match=r"before the words, @arm64\+lockdep"):
        parse_request("~/linux#v6.12+lockdep@arm64")


def test_ids_of_tests_are_plain() -> None:
    kernel = Kernel("git:x", "6.1.9-hotremove", "6.1.9", Path(), None, name="queue/6.1-1-gab")
    assert kernel_id(kernel, (kernel,)) == "queue-6.1-1-gab"


class Steps:
    """Runs `bisect-step`; a kernel is bad once its source says so."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.kernels: list[str] = []

    def take(self, *words: str) -> tuple[int, str]:
        code = main.main(["bisect-step", "-k", "x", *words])
        return code, self.capsys.readouterr().out.splitlines()[-1]

    def suite(self, command: list[str], deadline: float) -> int:
        [kernel] = [w for w in command if w.startswith("--hotremove-kernel=")]
        self.kernels.append(kernel.partition("=")[2])
        return 5


@pytest.fixture
def steps(
    cache: Cache, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Steps:
    made = Steps(capsys)
    monkeypatch.setattr(bisect, "run_suite", made.suite)
    monkeypatch.setattr(bisect, "build_image", lambda kernel, cache: None)
    return made


def test_a_step_of_a_bisection_builds_a_checkouts_commit(
    repository: Repository, cache: Cache, steps: Steps
) -> None:
    assert "-k selects no scenario" in steps.take(f"--tree={repository.folder}")[1]
    assert steps.kernels == [f"git:{repository.folder}"]
    assert len(made_kernels(cache)) == 1
    code, told = steps.take(f"--kernel=git:{repository.folder}+broken")
    assert (code, "error: no luck" in told) == (125, True)
    for text in (f"{repository.folder}#none", "/nowhere", f"{repository.folder}+kosan"):
        assert steps.take(f"--kernel=git:{text}")[0] == 128
    (repository.folder / "subject").write_text("changed")
    code, told = steps.take(f"--tree={repository.folder}")
    assert (code, "not committed" in told) == (128, True)
    assert len(steps.kernels) == 1


def test_a_bisection_from_inside_of_git(
    repository: Repository, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where git has told its children of another repository."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    git_source.check(f"{repository.folder}#v6.1.98")
    assert spec.resolve(f"git:{repository.folder}#v6.1.98", cache).label == "v6.1.98"
