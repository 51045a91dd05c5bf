# SPDX-License-Identifier: Apache-2.0
"""Specs that stand for several kernels: of a signed archive on disk, through the real apt."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import kernel_samples as samples
import pytest
from kernel_samples import Deb, Mirror

from hotremove.bootimage.initramfs import BootImage
from hotremove.cache import Cache
from hotremove.cli import main
from hotremove.errors import Blocked, HostProblem, UsageProblem
from hotremove.kernels import spec
from hotremove.kernels.distro import patterns
from hotremove.kernels.kernel import Candidate, Kernel
from hotremove.plugin import foresight, reporting
from hotremove.plugin.lookahead import kernel_after
from hotremove.plugin.parametrize import KERNEL
from hotremove.session import farm as farms
from hotremove.session.farm import Farm
from hotremove.session.options import Options

SPLIT = "7.0.4+deb13-amd64"
BASED = "6.18.5+deb13-amd64"


def image(release: str, version: str, **more: str) -> Deb:
    return Deb(f"linux-image-{release}", samples.kernel_files(release), version, **more)


def split_image(release: str, version: str) -> Deb:
    names = (f"linux-{part}-{release}" for part in ("binary", "modules", "base"))
    return Deb(
        f"linux-image-{release}",
        {},
        version,
        depends=", ".join(f"{n} (= {version})" for n in names),
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Suite bookworm has all that there can be; the suite trixie nothing that is whole."""
    mirror = Mirror(tmp_path_factory.mktemp("mirror"))
    mirror.publish(
        "bookworm",
        image("6.1.0-8-amd64", "6.1.98-1"),
        image("6.1.0-9-amd64", "6.1.99-1"),
        image("6.1.0-9-cloud-amd64", "6.1.99-1"),
        Deb("linux-headers-6.1.0-9-amd64", {}, "6.1.99-1"),
        image("6.12.43+deb12-amd64", "6.12.43-1~bpo12+1"),
        Deb("linux-image-6.12-amd64", {}, "6.12.43-1~bpo12+1"),
        image(BASED, "6.18.5-1", depends=f"linux-base-{BASED} (= 6.18.5-1)"),
        split_image(SPLIT, "7.0.4-1"),
        Deb(f"linux-binary-{SPLIT}", {}, "7.0.4-1"),
    )
    mirror.publish("trixie", split_image(SPLIT, "7.0.4-1"))
    yield mirror
    mirror.close()


@pytest.fixture
def cache(tmp_path: Path, archive: Mirror, monkeypatch: pytest.MonkeyPatch) -> Cache:
    return samples.use(archive, tmp_path, monkeypatch, security=False)


def versions(text: str, cache: Cache) -> list[str]:
    found = spec.expand(text, cache)
    assert found is not None
    return [kernel.spec.partition("/")[2] for kernel in found.kernels]


ALL = ["6.1.98-1", "6.1.99-1", "6.12.43-1~bpo12+1", "6.18.5-1"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*", ALL),
        ("6.1.*", ALL[:2]),
        ("6.1?.*", ALL[2:]),
        (">=6.12.43", ALL[2:]),
        (">6.12.43", ALL[3:]),
        ("<=6.12.43", ALL[:3]),
        (">=6.1.99-1,<6.18", ALL[1:3]),
        ("*-cloud-amd64", ["6.1.0-9-cloud-amd64"]),
        (">=6.1,*-cloud-*", ["6.1.0-9-cloud-amd64"]),
    ],
)
def test_a_pattern_means_each_kernel_once(cache: Cache, pattern: str, wanted: list[str]) -> None:
    assert versions(f"debian:bookworm/{pattern}", cache) == wanted


def test_nothing_is_fetched_for_it(cache: Cache) -> None:
    found = spec.expand("debian:bookworm/*", cache)
    assert found is not None
    assert found.kernels[1] == Candidate("debian:bookworm/6.1.99-1", "6.1.0-9-amd64", "6.1.99-1")
    assert found.kernels[1].label == "6.1.99"
    assert not (cache.root / "kernels").exists()
    assert spec.expand("debian:bookworm", cache) is None
    assert spec.expand("host", cache) is None


def test_what_is_gone_is_named_and_ends_nothing(cache: Cache) -> None:
    found = spec.expand("debian:bookworm/*", cache)
    assert found is not None
    assert found.left_out == (f"7.0.4-1 (linux-modules-{SPLIT}, linux-base-{SPLIT})",)
    with pytest.raises(UsageProblem, match=r"gone from the archive: 7\.0\.4-1 \(linux-binary-"):
        spec.expand("debian:trixie/*", cache)


def test_every_kernel_that_is_meant_can_be_had(cache: Cache) -> None:
    """One whose linux-base is gone too: only a package that is split takes it."""
    found = [spec.resolve(one, cache) for one in spec.specs("debian:bookworm/*", cache)]
    assert [kernel.version for kernel in found] == ALL
    assert [kernel.release for kernel in found][2:] == ["6.12.43+deb12-amd64", BASED]


def test_a_version_is_not_a_cloud_kernel_that_happens_to_be_here(cache: Cache) -> None:
    cloud = spec.resolve("debian:bookworm/6.1.0-9-cloud-amd64", cache)
    assert cloud.release == "6.1.0-9-cloud-amd64"
    assert spec.resolve("debian:bookworm/6.1.99-1", cache).release == "6.1.0-9-amd64"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bookworm/5.*", r"no such version; bookworm has 6\.1\.98-1"),
        ("bookworm/>=six", "'>=six' means no kernels: write"),
        ("bookworm/6.1.*,", "means no kernels"),
        ("bokworm/*", "the mirror has no suite bokworm"),
        ("/*", "names no suite"),
    ],
)
def test_patterns_that_mean_nothing(cache: Cache, text: str, told: str) -> None:
    with pytest.raises(UsageProblem, match=told) as caught:
        spec.expand(f"debian:{text}", cache)
    assert "\n" not in str(caught.value)


def test_one_kernel_is_not_several(cache: Cache) -> None:
    with pytest.raises(UsageProblem, match="stands for several kernels: name one"):
        spec.resolve("debian:bookworm/*", cache)
    with pytest.raises(UsageProblem, match="stands for several kernels"):
        spec.resolve("debian-source:bookworm/6.*", cache)


def test_one_kernel_is_judged_at_a_time(
    cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["bisect-step", "--kernel=debian:bookworm/*", "-k", "x"]) == 128
    assert main.main(["qualify", "debian:bookworm/*", f"--output={tmp_path}/q"]) == 4
    told = capsys.readouterr()
    assert (told.out + told.err).count("stands for several kernels: name one") == 2


def test_without_a_network_the_cache_serves(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec.resolve("debian:bookworm/6.1.98", cache)
    spec.resolve("debian:bookworm/6.12.43", cache)
    monkeypatch.setenv("HOTREMOVE_MIRROR", "http://127.0.0.1:9/debian")
    shutil.rmtree(cache.root / "apt")
    assert versions("debian:bookworm/*", cache) == [ALL[0], ALL[2]]
    assert "using those in the cache" in capsys.readouterr().err
    with pytest.raises(HostProblem, match="fetching the package lists"):
        spec.expand("debian:bookworm/7.*", cache)


def test_clauses() -> None:
    assert patterns.parse("*").fits("6.1.9-1", "6.1.0-9-amd64")
    assert not patterns.parse("*").fits("6.1.9-1", "6.1.0-9-rt-amd64")
    assert not patterns.parse("*-cloud-amd64").fits("6.1.9-1", "6.1.0-9-rt-amd64")
    assert not patterns.parse("6.1*").fits("5.10.9-1", "5.10.0-9-amd64")


def test_the_list_says_what_there_is(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    spec.resolve("debian:bookworm/6.1.98-1", cache)
    capsys.readouterr()
    assert main.main(["kernels", "list", "--available", "bookworm", "trixie/7.*"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    told = {(row[0], row[1]): row[2:] for row in rows}
    assert list(told) == [*(("bookworm", one) for one in (*ALL, "7.0.4-1")), ("trixie", "7.0.4-1")]
    assert told["bookworm", "6.1.98-1"] == ["6.1.0-8-amd64", "0", "gone", "yes"]
    assert told["bookworm", "6.1.99-1"] == ["6.1.0-9-amd64", "0", "yes"]
    assert told["bookworm", "7.0.4-1"][3:] == [f"linux-modules-{SPLIT},", f"linux-base-{SPLIT}"]
    assert main.main(["kernels", "list", "--available", "bokworm"]) == 4
    assert "has no suite bokworm" in capsys.readouterr().err


def test_fetching_several(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["kernels", "fetch", "debian:bookworm/6.1.*"]) == 0
    assert capsys.readouterr().out.count("debian:bookworm/6.1.9") == 2


@pytest.fixture
def farm(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Iterator[Farm]:
    specs = ("debian:bookworm/6.12.43", "debian:bookworm/*", "debian:bookworm/6.1.98-1")
    options = Options(specs, "movable-node", "tcg", None, None, 30.0, False)
    made = Farm(options)
    yield made
    made.close()


def test_a_farm_fetches_what_it_comes_to(farm: Farm, cache: Cache) -> None:
    named, first, *rest = farm.kernels
    assert isinstance(named, Kernel)
    assert [kernel.version for kernel in (first, *rest)] == [ALL[0], ALL[1], ALL[2], ALL[3]]
    assert len(list((cache.root / "kernels").iterdir())) == 1
    fetched = farm.fetch(first)
    assert (fetched.spec, fetched.release) == (first.spec, first.release)
    assert farm.fetch(first) is fetched
    assert farm.first_kernel is named


def test_a_kernel_that_cannot_be_had_blocks_its_own_tests(farm: Farm, archive: Mirror) -> None:
    _, first, second, *_ = farm.kernels
    [package] = archive.root.glob("pool/bookworm/linux-image-6.1.0-8-*.deb")
    aside = package.rename(package.with_suffix(".aside"))
    try:
        with pytest.raises(Blocked, match=rf"{first.spec} cannot be had: downloading"):
            farm.fetch(first)
    finally:
        aside.rename(package)
    assert farm.fetch(second).version == second.version


def test_the_next_kernel_is_fetched_beside(farm: Farm, cache: Cache) -> None:
    _, first, second, *_ = farm.kernels
    items = [
        SimpleNamespace(callspec=SimpleNamespace(params=p))
        for p in ({KERNEL: first}, {}, {KERNEL: second})
    ]
    assert kernel_after(first, items) == second
    assert kernel_after(second, items) is None
    farm.fetch_ahead(second)
    farm.fetch_ahead(second)
    wait_for(lambda: any(cache.root.glob(f"kernels/[0-9a-f]*/vmlinuz-{second.release}")))


def old(entry: Path) -> Path:
    """An entry of the cache that was not used for two hours."""
    entry.mkdir(parents=True, exist_ok=True)
    (entry / "file").write_bytes(bytes(9000))
    used = time.time() - 7200
    os.utime(entry, (used, used))
    return entry


@pytest.mark.parametrize("ahead", [False, True])
def test_a_small_cache_loses_what_nobody_needs(
    farm: Farm, cache: Cache, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    """And not the kernel whose turn has not come, though it was fetched long ago."""
    monkeypatch.setattr(farms, "build_image", lambda kernel, *_, **__: boot_image(kernel))
    named, first, second, *_ = farm.kernels
    assert isinstance(named, Kernel)
    other, kept = old(cache.path("snapshots", "a" * 32)), old(named.image.parent)
    farm.options = replace(farm.options, cache_gib=0.0)
    if ahead:
        farm.fetch_ahead(first)
        wait_for(lambda: not other.exists())
        farm.fetch(second)
    else:
        farm.fetch(first)
    assert (other.exists(), kept.exists()) == (False, True)


def boot_image(kernel: Kernel) -> BootImage:
    return BootImage(kernel, Path("/none"), "", (), ())


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_fetch_ahead_ends_with_the_farm(farm: Farm) -> None:
    farm.fetch_ahead(farm.kernels[1])
    child = farm._ahead._child
    assert child is not None
    farm.close()
    assert child.process.returncode is not None


def test_the_header_names_what_is_gone(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_place", lambda farm: "nowhere")
    [line] = [line for line in reporting.header(farm) if "not whole" in line]
    assert f"debian:bookworm/*: 7.0.4-1 (linux-modules-{SPLIT}" in line


def test_one_line_says_which_have_no_headers(farm: Farm) -> None:
    def item(kernel: Candidate) -> SimpleNamespace:
        marker = SimpleNamespace(args=(26, "pins"), kwargs={})
        return SimpleNamespace(
            fixturenames=("guest", KERNEL, "pin_hold"),
            callspec=SimpleNamespace(params={KERNEL: kernel}),
            get_closest_marker=lambda name: marker if name == "scenario" else None,
        )

    lines = list(foresight.obstacles(farm, [item(kernel) for kernel in farm.kernels[1:]]))
    gone = ", ".join((ALL[0], *ALL[2:]))
    assert lines == [
        f"debian:bookworm/*: rows 26 need modules; no headers are left of {gone}:"
        " --hotremove-without modules runs the rest"
    ]
