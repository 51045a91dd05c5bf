# SPDX-License-Identifier: Apache-2.0
"""Kernels built from source: a toy kernel of a signed archive, in real namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kernel_samples as samples
import pytest
from kernel_samples import Deb, Mirror
from toy_kernel import make_root, skip_without_namespaces, tree, write_fragments

from hotremove.architecture.arm64 import ARM64
from hotremove.bootimage.toolchain import find_toolchain
from hotremove.cache import Cache
from hotremove.cli import main
from hotremove.errors import Blocked, HostProblem, UsageProblem
from hotremove.kernels import kbuild, kconfig, patches, spec
from hotremove.kernels.complaint import failure
from hotremove.kernels.distro import buildroot
from hotremove.kernels.distro.buildroot import Buildroot
from hotremove.kernels.kconfig import KconfigOption
from hotremove.kernels.offers.debian import offered_to_build
from hotremove.kernels.sources import debian_source
from hotremove.kernels.sources.debian_source import parse_request

VERSION = "6.1.99-1"
RELEASE = "6.1.99-hotremove"
NOWHERE = "http://127.0.0.1:9/debian"


@pytest.fixture(scope="module", autouse=True)
def needs() -> None:
    if not (shutil.which("apt-get") and shutil.which("gpg")):
        pytest.skip("needs apt and gpg")
    skip_without_namespaces()


def sources(release: str = RELEASE) -> bytes:
    members = {f"linux-source-6.1/{name}": data for name, data in tree(release).items()}
    return samples.tar_bytes(members, "w:xz")


def source_deb(version: str = VERSION) -> Deb:
    files = {"usr/src/linux-source-6.1.tar.xz": sources()}
    return Deb("linux-source-6.1", files, version, arch="all")


def config_deb(folder: Path, arch: str = "amd64") -> Deb:
    (folder / "config").write_text("CONFIG_GOOD=y\nCONFIG_FROM_DEBIAN=y\n")
    subprocess.run(["xz", "--force", "config"], cwd=folder, check=True)
    name = f"usr/src/linux-config-6.1/config.{arch}_none_{arch}.xz"
    files = {name: (folder / "config.xz").read_bytes()}
    return Deb("linux-config-6.1", files, VERSION, arch=arch)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path_factory.mktemp("mirror"))
    meta = Deb("linux-source", {}, VERSION, depends=f"linux-source-6.1 (= {VERSION})", arch="all")
    folder = tmp_path_factory.mktemp("config")
    configs = (config_deb(folder, arch) for arch in ("amd64", "arm64"))
    mirror.publish("bookworm", meta, source_deb(), *configs, other="arm64")
    mirror.publish("sid", Deb("other", {}))
    yield mirror
    mirror.close()


@pytest.fixture
def root(tmp_path: Path) -> Buildroot:
    return make_root(tmp_path / "root")


@pytest.fixture
def fragments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the fragments, with some for the toy kernel."""
    folder = write_fragments(tmp_path / "kconfig")
    monkeypatch.setattr(kconfig, "source_folder", lambda name: folder)
    return folder


@pytest.fixture
def cache(
    tmp_path: Path,
    archive: Mirror,
    root: Buildroot,
    fragments: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cache:
    cache = samples.use(archive, tmp_path, monkeypatch, security=False)
    monkeypatch.setattr(buildroot, "get", lambda *_, **__: root)
    return cache


def left_in(cache: Cache) -> list[Path]:
    folder = cache.root / "kernels"
    return list(folder.iterdir()) if folder.is_dir() else []


def test_a_kernel_is_built_once_and_kept_without_its_tree(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = spec.resolve("debian-source:bookworm", cache)
    assert (kernel.release, kernel.version, kernel.label) == (RELEASE, VERSION, "6.1.99")
    assert kernel.config == {"GOOD": "y", "LOCALVERSION": "-hotremove"}
    assert "built without CONFIG_OLD=y (not known)" in capsys.readouterr().err
    [folder] = left_in(cache)
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {
        "vmlinuz",
        "config",
        "headers",
        "kernel.json",
    }
    assert kernel.headers is not None
    assert (kernel.headers.suite, kernel.headers.packages) == ("bookworm", kbuild.PACKAGES)
    headers = kernel.headers.directory
    assert headers == folder / "headers" / RELEASE
    assert sorted(path.name for path in headers.rglob("*") if path.is_file()) == [
        ".config",
        "Kconfig",
        "Makefile",
        "built.h",
        "kernel.release",
        "module-common.c",
        "module.h",
        "told.h",
    ]
    assert spec.resolve("debian-source:bookworm", cache) == kernel
    assert "compiling" not in capsys.readouterr().err


def test_a_kernel_has_the_source_that_it_was_built_from(cache: Cache, root: Buildroot) -> None:
    kernel = spec.resolve("debian-source:bookworm", cache)
    assert kernel.source
    folder = cache.root / "unpacked"
    folder.mkdir()
    kernel.source.unpack(root, folder)
    assert (folder / "Kconfig").read_bytes() == tree(RELEASE)["Kconfig"]
    assert kernel.source.suite == "bookworm"


def test_a_suites_sources_are_offered_with_fragments(cache: Cache) -> None:
    (found,) = offered_to_build("bookworm", cache, ">=6", ["good", "stuck"])
    assert found.spec == f"debian-source:bookworm/{VERSION}+good+stuck"
    assert found.version == f"{VERSION}+good+stuck"
    assert not offered_to_build("bookworm", cache, "<6", ["good"])


def test_a_kernel_for_another_processor(cache: Cache) -> None:
    """Another kernel of the same source, by another compiler and with options of its own."""
    first = spec.resolve("debian-source:bookworm", cache)
    kernel = spec.resolve("debian-source:bookworm@arm64", cache)
    assert (kernel.arch, kernel.label) == (ARM64, f"{first.label}-arm64")
    assert (first.release, first.version) == (kernel.release, kernel.version)
    assert kernel.config == {**first.config, "GOOD_ARM": "y"}
    assert kernel.headers is not None
    assert kernel.headers.packages == (*kbuild.PACKAGES, "gcc-aarch64-linux-gnu")
    told = (kernel.headers.directory or Path()) / "arch/arm64/include/told.h"
    assert told.read_text() == "arm64: aarch64-linux-gnu-, ccache aarch64-linux-gnu-gcc\n"
    assert spec.resolve("debian-source:bookworm@aarch64", cache).image == kernel.image
    assert spec.resolve("debian-source:bookworm@amd64", cache).image == first.image
    assert len(left_in(cache)) == 2


def test_another_compiler_is_another_kernel(cache: Cache, root: Buildroot) -> None:
    """Of each architecture its own."""
    before = [spec.resolve(f"debian-source:bookworm{of}", cache).image for of in ("", "@arm64")]
    status = root.root / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("14cross1", "15cross1"))
    after = [spec.resolve(f"debian-source:bookworm{of}", cache).image for of in ("", "@arm64")]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


def test_modules_for_it_are_compiled_by_the_same_compiler(cache: Cache) -> None:
    kernel = spec.resolve("debian-source:bookworm@arm64", cache)
    assert find_toolchain(kernel, cache).words == ARM64.make_words
    assert find_toolchain(spec.resolve("debian-source:bookworm", cache), cache).words == ()


def test_without_a_network_the_cache_serves_the_right_architecture(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec.resolve("debian-source:bookworm", cache)
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    shutil.rmtree(cache.root / "apt")
    with pytest.raises(HostProblem, match="fetching the package lists"):
        spec.resolve("debian-source:bookworm@arm64", cache)


def test_another_version_of_the_text_is_another_kernel(cache: Cache, fragments: Path) -> None:
    first = spec.resolve("debian-source:bookworm", cache)
    (fragments / "hotremove.config").write_text("CONFIG_GOOD=y\n# CONFIG_X is not set\n")
    assert spec.resolve("debian-source:bookworm", cache).image != first.image


def test_a_fragment_of_the_users_own(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "mine.config").write_text("CONFIG_GOOD_MINE=y\n")
    with pytest.raises(UsageProblem, match="no file"):
        spec.resolve(f"debian-source:bookworm+{tmp_path}/none.config", cache)
    kernel = spec.resolve(f"debian-source:bookworm+{tmp_path}/mine.config", cache)
    assert kernel.config["GOOD_MINE"] == "y"
    assert kernel.config["LOCALVERSION"] == "-hotremove-mine"


def test_debians_own_configuration(cache: Cache) -> None:
    kernel = spec.resolve("debian-source:bookworm+debian", cache)
    assert kernel.config["FROM_DEBIAN"] == "y"
    assert kernel.config["LOCALVERSION"] == "-debian"
    assert spec.resolve("debian-source:bookworm@arm64+debian", cache).arch is ARM64


def diff(before: str, after: str, file: str = "Kconfig") -> str:
    """A patch for one line of the toy kernel."""
    return f"--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{before}\n+{after}\n"


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """A folder of two patches, of which the second, by name, needs the first."""
    folder = tmp_path / "6.1"
    folder.mkdir()
    (folder / "10-one.patch").write_text(diff("config GOOD", "config BETTER"))
    (folder / "20-two.patch").write_text(diff("config BETTER", "config BEST"))
    (folder / "notes.txt").write_text("no patch\n")
    return folder


def test_patches_are_applied_in_order_and_beside_fragments(cache: Cache, patched: Path) -> None:
    (patched.parent / "3.patch").write_text(diff("config BEST", "config LAST"))
    text = f"debian-source:bookworm+patch:{patched}+debian+patch:{patched.parent}/3.patch"
    kernel = spec.resolve(text, cache)
    assert kernel.config["LOCALVERSION"] == "-debian-6.1-3"
    assert kernel.config["FROM_DEBIAN"] == "y"
    assert kernel.headers is not None
    assert kernel.headers.directory is not None
    declared = (kernel.headers.directory / "Kconfig").read_text()
    assert declared.startswith("config LAST\n")
    assert not list(kernel.headers.directory.glob(".*patch*"))


def test_a_patch_is_known_by_what_is_in_it(
    cache: Cache, patched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = spec.resolve("debian-source:bookworm", cache)
    text = f"debian-source:bookworm+patch:{patched}"
    first = spec.resolve(text, cache)
    assert spec.resolve(text, cache).image == first.image != plain.image
    (patched / "20-two.patch").write_text(diff("config BETTER", "config OTHER"))
    second = spec.resolve(text, cache)
    assert second.image != first.image
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    shutil.rmtree(cache.root / "apt")
    assert spec.resolve(text, cache).image == second.image
    (patched / "20-two.patch").write_text(diff("config BETTER", "config THIRD"))
    with pytest.raises(HostProblem, match="fetching the package lists"):
        spec.resolve(text, cache)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (diff("config GOOD", "config X"), None),
        (diff("config BAD", "config X"), r"Kconfig: Hunk #1 FAILED at 1"),
        (diff("config X", "config GOOD"), r"Kconfig: Reversed \(or previously applied\) patch"),
        (diff("x", "y", "mm/gup.c"), "can't find file to patch at input line 3"),
        ("no patch at all\n", "Only garbage was found"),
        (diff("x", "y", "../../../etc/passwd"), "dangerous file name|can't find file"),
        (diff("config GOOD", "config X").replace("@@ -1", "@@ -1,7"), "malformed|unexpectedly"),
        (
            "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,3 +1,3 @@\n-config GOOD\n+config X\n"
            " \tbool\n config OTHER\n",
            r"Kconfig: Hunk #1 FAILED at 1",
        ),
    ],
)
def test_a_patch_that_does_not_fit_is_told_by_its_first_reject(
    cache: Cache, tmp_path: Path, text: str, told: str | None
) -> None:
    (tmp_path / "mend.patch").write_text(text)
    wanted = f"debian-source:bookworm+patch:{tmp_path}/mend.patch"
    if told is None:
        assert spec.resolve(wanted, cache).release == RELEASE
        return
    with pytest.raises(UsageProblem, match=rf"mend.patch does not apply to .*: .*{told}") as caught:
        spec.resolve(wanted, cache)
    assert "\n" not in str(caught.value)
    assert left_in(cache) == []


def test_patches_that_are_not_there(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for word, told in {
        f"{tmp_path}/none.patch": f"there is no patch '{tmp_path}/none.patch'",
        "": "there is no patch ''",
        f"{tmp_path}/empty": "empty has no patch: .patch or .diff",
    }.items():
        with pytest.raises(UsageProblem, match=told):
            spec.resolve(f"debian-source:bookworm+patch:{word}", cache)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bookworm+stuck", r"does not take CONFIG_STUCK=y \(stays unset\)"),
        ("bookworm+unknown", r"does not take CONFIG_NOVEL=m \(not known\)"),
        ("bookworm+broken", "does not build: mm/gup.c:9: error: no luck"),
        ("bookworm+kosan", "no kernel configuration fragment 'kosan': write one of broken, debian"),
        ("bokworm", "the mirror has no suite bokworm"),
        ("bookworm/5.4", "no such version; bookworm has 6.1.99-1"),
        ("sid", "has no package linux-source"),
        ("bookworm+", "is not a suite|names no suite"),
        ("+kasan", "names no suite: write debian-source:bookworm"),
        ("bookworm/+kasan", "names no suite"),
        ("bookworm@vax", "@vax is no architecture that the farm boots: @amd64, @arm64"),
        ("bookworm+kasan@arm64", "comes before the words, @arm64\\+kasan"),
        ("bookworm@arm64+stuck", r"does not take CONFIG_STUCK=y \(stays unset\)"),
        ("bookworm/5.4@arm64", "no such version; bookworm has 6.1.99-1"),
    ],
)
def test_what_cannot_be_built_is_told_and_leaves_nothing(
    cache: Cache, text: str, told: str
) -> None:
    with pytest.raises(UsageProblem, match=told) as caught:
        spec.resolve(f"debian-source:{text}", cache)
    assert "\n" not in str(caught.value)
    assert left_in(cache) == []


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where who runs the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupted_build_leaves_nothing(cache: Cache) -> None:
    def interrupt() -> None:
        _until(_sleepers, True)
        os.kill(os.getpid(), signal.SIGINT)

    beside = threading.Thread(target=interrupt)
    beside.start()
    with pytest.raises(KeyboardInterrupt):
        spec.resolve("debian-source:bookworm+slow", cache)
    beside.join()
    assert left_in(cache) == []
    assert not _sleepers()


def test_without_a_network_the_cache_serves(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = spec.resolve("debian-source:bookworm", cache)
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    shutil.rmtree(cache.root / "apt")
    assert spec.resolve("debian-source:bookworm", cache) == first
    assert f"using {VERSION} from the cache" in capsys.readouterr().err
    with pytest.raises(HostProblem, match="fetching the package lists"):
        spec.resolve("debian-source:bookworm+debian", cache)


def test_a_build_root_that_cannot_be_made_ends_the_run(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Blocked("no build root of bookworm can be made: why")

    monkeypatch.setattr(buildroot, "get", refuse)
    with pytest.raises(HostProblem, match="no build root"):
        spec.resolve("debian-source:bookworm", cache)


def test_only_sources_are_built(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["kernels", "build", "debian-source:bookworm", "debian:bookworm"]) == 4
    assert "debian:bookworm is built already" in capsys.readouterr().err
    assert left_in(cache) == []
    assert main.main(["kernels", "build", "debian-source:bookworm"]) == 0
    assert RELEASE in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            ["  CC x.o", "x.c:1: error: a", "y.c:1: error: b", "make: *** [x.o] Error 1"],
            "x.c:1: error: a",
        ),
        (
            ["init/Kconfig:9: can't open file", "make[1]: *** [allnoconfig] Error 1"],
            "init/Kconfig:9: can't open file",
        ),
        (
            ["make: *** No rule to make target 'modules'.  Stop."],
            "make: *** No rule to make target 'modules'.  Stop.",
        ),
        ([], "no reason given"),
    ],
)
def test_the_first_thing_that_was_wrong_is_told(said: list[str], told: str) -> None:
    assert str(failure("it", said)) == f"it does not build: {told}"


def test_a_full_disk_is_told() -> None:
    full = failure("it", ["fs/x.c: fatal error: y: No space left on device", "make: ***"])
    assert isinstance(full, HostProblem)
    assert "HOTREMOVE_CACHE" in str(full)


def test_specs_are_taken_apart() -> None:
    plain = parse_request("trixie-backports/7.3.4-1~bpo13+1+lockdep+kasan+lockdep")
    assert plain.wanted.version == "7.3.4-1~bpo13+1"
    assert plain.names == ("hotremove", "lockdep", "kasan")
    assert plain.source == "debian-source:trixie-backports+lockdep+kasan"
    other = parse_request("trixie/6.12.118@aarch64+lockdep")
    assert (other.arch, other.wanted.version) == (ARM64, "6.12.118")
    assert other.source == "debian-source:trixie@arm64+lockdep"
    assert plain.suffix == "-hotremove-lockdep-kasan"
    assert parse_request("sid+kasan+debian").names == ("debian", "kasan")
    own = parse_request("bookworm/6.1.192-2+deb12u1+~/lab/my.config+./x")
    assert own.wanted.version == "6.1.192-2+deb12u1"
    assert own.names == ("hotremove", "~/lab/my.config", "./x")
    assert own.suffix == "-hotremove-my-x"
    assert len(parse_request("sid" + "+a-long-fragment" * 1 + "+b-long" * 1).suffix) <= 44
    both = parse_request("trixie/6.12.118+patch:tests/faults/6.12+lockdep+patch:./a.patch")
    assert both.wanted.version == "6.12.118"
    assert (both.fragments, both.names) == (("lockdep",), ("hotremove", "lockdep"))
    assert both.patches == ("patch:tests/faults/6.12", "patch:./a.patch")
    assert both.suffix == "-hotremove-lockdep-6.12-a"
    assert len(parse_request(f"sid+patch:{'long' * 20}.patch").suffix) <= 44
    many = "+".join(("sid", *(f"fragment-{letter}" for letter in "abcdef")))
    assert len(debian_source.parse_request(many).suffix) <= 44


def test_fragments() -> None:
    wanted = kconfig.parse("# words\nCONFIG_A=y # where known\n# CONFIG_B is not set\n", "x")
    assert wanted == (KconfigOption("A", "y", optional=True), KconfigOption("B", "n"))
    with pytest.raises(UsageProblem, match=r"x:2: 'A=y' is no line"):
        kconfig.parse("CONFIG_A=y\nA=y\n", "x")
    assert kconfig.merged([wanted, [KconfigOption("A", "m")]]) == (
        KconfigOption("A", "m"),
        KconfigOption("B", "n"),
    )
    assert kconfig.render(wanted) == "CONFIG_A=y\n# CONFIG_B is not set\n"
    met = {"A": "y", "S": "text"}
    assert (
        kconfig.unmet(
            [KconfigOption("A", "m"), KconfigOption("B", "n"), KconfigOption("S", '"text"')], met
        )
        == ()
    )
    assert kconfig.unmet([KconfigOption("A", "n"), KconfigOption("C", "y")], met) == (
        KconfigOption("A", "n"),
        KconfigOption("C", "y"),
    )


def test_lines_for_one_architecture() -> None:
    text = (
        "CONFIG_A=y # on amd64\n"
        "CONFIG_B=y # on arm64, where known\n"
        "# CONFIG_C is not set # on arm64\n"
        'CONFIG_D="x"\n'
        "# on arm64\n"
    )
    rest = KconfigOption("D", '"x"')
    assert kconfig.parse(text, "x") == (KconfigOption("A", "y"), rest)
    of_arm64 = (KconfigOption("B", "y", optional=True), KconfigOption("C", "n"), rest)
    assert kconfig.parse(text, "x", ARM64) == of_arm64
    for line in ("CONFIG_A=y # on vax", "A=y # on arm64"):
        with pytest.raises(UsageProblem, match=f"x:1: '{line}' is no line"):
            kconfig.parse(line, "x")


def test_a_patch_that_is_named_twice_is_applied_once(patched: Path) -> None:
    found = patches.read([f"patch:{patched}/20-two.patch", f"patch:{patched}/../{patched.name}"])
    assert [patch.name for patch in found] == ["20-two.patch", "10-one.patch"]
    assert patches.key(found) != patches.key(found[::-1])


def test_the_projects_fragments_are_sound() -> None:
    names = kconfig.known()
    assert {"hotremove", "debian", "lockdep", "kasan", "debug-vm", "page-owner"} <= set(names)
    assert {"gup-test", "iommufd", "rdma-siw"} <= set(names)
    for name in names:
        assert kconfig.read(name)
        assert kconfig.read(name, ARM64)
    own = {option.name for option in kconfig.read("hotremove", ARM64)}
    assert {"ACPI_HOTPLUG_MEMORY", "ARM_SMMU_V3", "SERIAL_AMBA_PL011_CONSOLE"} <= own
    assert not {"PVH", "INTEL_IOMMU"} & own


def test_what_runs_in_a_build_root_ends_with_its_caller(root: Buildroot) -> None:
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from toy_kernel import Machine, Command, Path\n"
        "Machine(Path(sys.argv[1])).run(Command(['sleep', '4711']))\n"
    )
    command = [sys.executable, "-c", script, str(root.root), *sys.path]
    caller = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _until(_sleepers, True)
    finally:
        caller.send_signal(signal.SIGKILL)
        caller.wait()
    _until(_sleepers, False)


def _sleepers() -> bool:
    texts = (path / "cmdline" for path in Path("/proc").iterdir() if path.name.isdecimal())
    for text in texts:
        try:
            if text.read_bytes() == b"sleep\x004711\x00":
                return True
        except OSError:
            continue
    return False


def _until(condition: Callable[[], bool], wanted: bool) -> None:
    end = time.monotonic() + 20
    while condition() != wanted:
        assert time.monotonic() < end
        time.sleep(0.05)
