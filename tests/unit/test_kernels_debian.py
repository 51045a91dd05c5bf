# SPDX-License-Identifier: Apache-2.0
"""Debian kernels from a signed archive on disk, through the real apt."""

from __future__ import annotations

import functools
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import kernel_samples as samples
import pytest
from kernel_samples import Deb, Mirror

from hotremove.bootimage.toolchain import find_obstacle
from hotremove.cache import Cache
from hotremove.errors import HostProblem, UsageProblem
from hotremove.kernels import spec
from hotremove.kernels.distro import buildroot, suites
from hotremove.kernels.distro.apt import Archive, PrivateApt
from hotremove.kernels.kernel import HeadersSource, Kernel
from hotremove.kernels.sources import debian

NOWHERE = "http://127.0.0.1:9/debian"


def image_deb(number: int, version: str) -> Deb:
    release = f"6.1.0-{number}-amd64"
    return Deb(f"linux-image-{release}", samples.kernel_files(release), version)


def meta_deb(number: int, version: str) -> Deb:
    depends = f"linux-image-6.1.0-{number}-amd64 (= {version})"
    return Deb("linux-image-amd64", {}, version, depends=depends)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path_factory.mktemp("mirror"))
    mirror.publish("bookworm", meta_deb(8, "6.1.98-1"), image_deb(8, "6.1.98-1"))
    mirror.publish("bookworm-security", meta_deb(9, "6.1.99-1"), image_deb(9, "6.1.99-1"))
    yield mirror
    mirror.close()


@pytest.fixture
def cache(tmp_path: Path, archive: Mirror, monkeypatch: pytest.MonkeyPatch) -> Cache:
    return samples.use(archive, tmp_path, monkeypatch, security=True)


def test_the_newest_kernel_of_a_suite(cache: Cache) -> None:
    kernel = spec.resolve("debian:bookworm", cache)
    assert (kernel.release, kernel.version) == ("6.1.0-9-amd64", "6.1.99-1")
    assert kernel.headers is not None
    assert kernel.headers.packages == ("linux-headers-6.1.0-9-amd64",)
    assert kernel.headers.suite == "bookworm"
    assert not list(cache.root.glob("apt/*/archives/*.deb"))


def test_an_older_kernel_by_version_and_by_release(cache: Cache) -> None:
    for version in ("6.1.98", "6.1.98-1", "6.1.0-8", "6.1.0-8-amd64"):
        assert spec.resolve(f"debian:bookworm/{version}", cache).version == "6.1.98-1"


def test_an_unknown_suite(cache: Cache) -> None:
    with pytest.raises(UsageProblem, match="the mirror has no suite bokworm; write a codename"):
        spec.resolve("debian:bokworm", cache)


def test_an_unknown_version(cache: Cache) -> None:
    with pytest.raises(UsageProblem, match=r"bookworm has 6\.1\.99-1, 6\.1\.98-1$"):
        spec.resolve("debian:bookworm/6.1.7", cache)


def test_a_warm_start_asks_apt_nothing(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    first = spec.resolve("debian:bookworm", cache)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert spec.resolve("debian:bookworm", cache) == first


def test_without_a_network_the_cache_serves(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = spec.resolve("debian:bookworm", cache)
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    monkeypatch.setenv("HOTREMOVE_SECURITY_MIRROR", NOWHERE)
    assert spec.resolve("debian:bookworm", cache) == first
    assert "using 6.1.99-1 from the cache" in capsys.readouterr().err
    assert spec.resolve("debian:bookworm/6.1.99-1", cache).image == first.image
    assert capsys.readouterr().err == ""


def test_without_a_network_or_a_cached_kernel(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    with pytest.raises(
        HostProblem,
        match=r"fetching the package lists of debian:bookworm fails: .*HOTREMOVE_MIRROR",
    ):
        spec.resolve("debian:bookworm", cache)


def test_old_lists_serve_without_a_network(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = spec.resolve("debian:bookworm", cache)
    monkeypatch.setattr(suites, "REFRESH_SECONDS", 0)
    monkeypatch.setenv("PATH", _path_without_network(cache.root.parent))
    assert spec.resolve("debian:bookworm", cache) == first
    assert "using the lists of 0 hours ago" in capsys.readouterr().err


def _path_without_network(folder: Path) -> str:
    """A PATH on which `apt-get update` fails and everything else works."""
    real = shutil.which("apt-get")
    fake = folder / "bin" / "apt-get"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *update*) echo "E: Failed to fetch x" >&2; exit 100;; esac\n'
        f'exec {real} "$@"\n'
    )
    fake.chmod(0o755)
    return f"{fake.parent}:/usr/bin:/bin:/usr/sbin:/sbin"


def test_a_wrong_signature_is_refused(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Mirror(tmp_path / "other")
    other.close()
    monkeypatch.setenv("HOTREMOVE_MIRROR_KEYRING", str(other.keyring))
    with pytest.raises(HostProblem, match="GPG error"):
        spec.resolve("debian:bookworm", cache)


def test_a_package_that_is_not_the_signed_one_is_refused(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(tmp_path / "tampered")
    mirror.publish("bookworm", meta_deb(9, "6.1.99-1"), image_deb(9, "6.1.99-1"))
    mirror.close()
    [deb] = mirror.root.glob("pool/bookworm/linux-image-6*.deb")
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.write_bytes(data)
    monkeypatch.setenv("HOTREMOVE_MIRROR", mirror.uri)
    monkeypatch.delenv("HOTREMOVE_SECURITY_MIRROR")
    monkeypatch.setenv("HOTREMOVE_MIRROR_KEYRING", str(mirror.keyring))
    with pytest.raises(HostProblem, match="Hash Sum mismatch"):
        spec.resolve("debian:bookworm", cache)
    assert not list((cache.root / "kernels").glob("*"))


def test_what_a_build_root_needs(cache: Cache, archive: Mirror) -> None:
    found = suites.apt_environment("bookworm", cache)
    signed = f"[signed-by={archive.keyring}]"
    assert found.sources == (
        f"deb {signed} {archive.uri} bookworm main",
        f"deb {signed} {archive.uri} bookworm-security main",
    )
    with pytest.raises(UsageProblem, match="no suite bookworm-backports"):
        suites.apt_environment("bookworm-backports", cache)


class Flaky(SimpleHTTPRequestHandler):
    """Serves a folder, breaks off the first transfer of a large file, and honours ranges."""

    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        start = int((self.headers["Range"] or "bytes=0-")[6:-1])
        data = path.read_bytes()
        self.send_response(206 if start else 200)
        self.send_header("Last-Modified", self.date_time_string(path.stat().st_mtime))
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.ranges.append(self.headers["Range"])
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        broken = len(data) > 1_000_000 and not start
        self.wfile.write(data[start : 700_000 if broken else None])
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def flaky(archive: Mirror) -> Iterator[str]:
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Flaky, directory=str(archive.root))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_that_broke_off_is_continued(
    cache: Cache, archive: Mirror, flaky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {f"boot/vmlinuz-{samples.RELEASE}": samples.image(payload=bytes(2_000_000))}
    image = Deb(f"linux-image-{samples.RELEASE}", samples.kernel_files() | large, "6.1.99-1")
    archive.publish("trixie", meta_deb(9, "6.1.99-1"), image)
    monkeypatch.setenv("HOTREMOVE_MIRROR", flaky)
    monkeypatch.delenv("HOTREMOVE_SECURITY_MIRROR")
    with pytest.raises(HostProblem, match="downloading kernel"):
        spec.resolve("debian:trixie", cache)
    assert spec.resolve("debian:trixie", cache).version == "6.1.99-1"
    assert len(Flaky.ranges) == 1


def modules_lacking(kernel: Kernel, cache: Cache) -> str | None:
    start = time.monotonic()
    found = find_obstacle(kernel, cache)
    assert time.monotonic() - start < 1
    return found


def test_headers_that_left_the_archive_are_known_from_the_lists_alone(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = replace(spec.resolve("debian:bookworm", cache), config={"MODULES": "y"})
    monkeypatch.setattr(buildroot, "get", None)
    assert modules_lacking(kernel, cache) == (
        "linux-headers-6.1.0-9-amd64 is not in bookworm any more"
    )
    assert modules_lacking(replace(kernel, config={"NUMA": "y"}), cache) is None
    has_them = replace(kernel, headers=HeadersSource("bookworm", ("linux-image-amd64",)))
    assert modules_lacking(has_them, cache) is None


def test_what_no_list_tells_is_not_held_against_the_headers(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = replace(spec.resolve("debian:bookworm", cache), config={"MODULES": "y"})
    shutil.rmtree(cache.path("apt", "bookworm"))
    monkeypatch.setenv("HOTREMOVE_MIRROR", NOWHERE)
    assert find_obstacle(kernel, cache) is None


def test_a_kernel_without_headers_says_where_they_are_looked_for(cache: Cache) -> None:
    kernel = replace(spec.resolve("debian:bookworm", cache), config={}, headers=None)
    assert str(modules_lacking(kernel, cache)).endswith("at lib/modules/6.1.0-9-amd64/build")


def test_the_part_of_a_kernel_that_left_the_archive_is_named(cache: Cache) -> None:
    class Gone(PrivateApt):
        def locate(self, name: str, version: str) -> Archive | None:
            return None if "modules" in name else Archive("u", name, 1, "0" * 64)

    parts = (("linux-binary-7.0.4-amd64", "7.0.4-1"), ("linux-modules-7.0.4-amd64", "7.0.4-1"))
    choice = debian.Choice("7.0.4-amd64", "7.0.4-1", parts)
    with pytest.raises(HostProblem, match=r"^linux-modules-7\.0\.4-amd64 7\.0\.4-1 is not in the"):
        debian._download(Gone(cache.root), choice, cache.root)
