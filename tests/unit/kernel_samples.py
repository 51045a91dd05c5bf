# SPDX-License-Identifier: Apache-2.0
"""Small stand-ins for kernels, modules, packages and mirrors, real enough for the real tools."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import struct
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotremove.cache import Cache

RELEASE = "6.1.0-9-amd64"
BUILD = "(somebody@example) #1 SMP PREEMPT_DYNAMIC Debian 6.1.99-1 (2026-01-01)"
CONFIG = 'CONFIG_NUMA=y\nCONFIG_DUMMY=m\n# CONFIG_CMA is not set\nCONFIG_LOCALVERSION="-lab"\n'


def image(release: str = RELEASE, build: str = BUILD, payload: bytes = b"") -> bytes:
    """A bzImage's header with its version text, and whatever payload is wanted."""
    header = bytearray(0x400)
    header[0x1F1] = 1
    header[0x202:0x206] = b"HdrS"
    header[0x236] = 1
    header[0x20E:0x210] = (0x300 - 0x200).to_bytes(2, "little")
    text = f"{release} {build}".encode()
    header[0x300 : 0x300 + len(text)] = text
    header[0x24C:0x250] = len(payload).to_bytes(4, "little")
    header[0x1F4:0x1F8] = ((len(payload) + 15) // 16).to_bytes(4, "little")
    return bytes(header) + payload.ljust((len(payload) + 15) // 16 * 16, b"\0")


ARM64_RELEASE = "6.1.0-9-arm64"
_COMPILER = "(aarch64-linux-gnu-gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld 2.40)"


def arm64_image(release: str = ARM64_RELEASE, flags: int = 2, begin: bytes = b"MZ") -> bytes:
    """An Image: its header, a PE header with one section up to the end, the banner, the .config."""
    header = bytearray(0x100)
    header[: len(begin)] = begin
    header[24:32] = flags.to_bytes(8, "little")
    header[0x38:0x3C] = b"ARM\x64"
    header[0x3C:0x40] = (0x40).to_bytes(4, "little")
    header[0x46:0x48] = (1).to_bytes(2, "little")
    build = "#1 SMP Debian 6.1.99-1 (2026-01-01)"
    rest = f"Linux version {release} (somebody@example) {_COMPILER} {build}\n".encode()
    rest += b"IKCFG_ST" + gzip.compress(b"CONFIG_ARM64=y\n") + b"IKCFG_ED"
    header[0x40 + 24 + 16 : 0x40 + 24 + 24] = struct.pack("<II", len(rest), len(header))
    return bytes(header) + rest


def zboot(kernel: bytes) -> bytes:
    """A program that unpacks a kernel, as vmlinuz.efi is one."""
    packed = gzip.compress(kernel)
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(packed)) + bytes(48) + packed + b"code"


def image_with_config(text: str = CONFIG) -> bytes:
    """A bzImage whose gzip payload carries its configuration."""
    kernel = b"code" * 9 + b"IKCFG_ST" + gzip.compress(text.encode()) + b"IKCFG_ED" + b"more"
    return image(payload=gzip.compress(kernel))


def module(name: str = "dummy") -> bytes:
    """A relocatable ELF file with a .modinfo section: all that depmod asks for."""
    info = b"license=GPL\0name=" + name.encode() + b"\0depends=\0"
    names = b"\0.modinfo\0.shstrtab\0"
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"),
        *(1, 62, 1, 0, 0, 64 + len(info) + len(names), 0, 64, 0, 0, 64, 3, 2),
    )
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, 64, len(info), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, 64 + len(info), len(names), 0, 0, 1, 0)
    return head + info + names + sections


def kernel_files(release: str = RELEASE, modules: str = "lib/modules") -> dict[str, bytes]:
    """The files of a kernel as one package has them, by path."""
    tree = f"{modules}/{release}"
    return {
        f"boot/vmlinuz-{release}": image(release),
        f"boot/config-{release}": CONFIG.encode(),
        f"boot/System.map-{release}": b"",
        f"{tree}/kernel/drivers/net/dummy.ko": module(),
        f"{tree}/modules.builtin": b"",
        f"{tree}/modules.order": b"kernel/drivers/net/dummy.ko\n",
    }


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below `root`."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def tar_bytes(members: dict[str, bytes] | list[tarfile.TarInfo], mode: str = "w:gz") -> bytes:
    """A tar archive of files by name (any name), or of bare members (links, devices)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            data = b"" if isinstance(members, list) else members[info.name]
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True)
class Deb:
    """A package to build."""

    name: str
    files: dict[str, bytes]
    version: str = "6.1.99-1"
    arch: str = "amd64"
    depends: str = ""

    @property
    def control(self) -> str:
        depends = f"Depends: {self.depends}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.arch}\n"
            f"Maintainer: Nobody <nobody@example.org>\n{depends}Description: sample\n"
        )

    def build(self, folder: Path) -> Path:
        """The package made by dpkg-deb, `folder`/NAME_VERSION_ARCH.deb."""
        root = write_tree(folder / f"{self.name}.d", self.files)
        write_tree(root, {"DEBIAN/control": self.control.encode()})
        path = folder / f"{self.name}_{self.version}_{self.arch}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(path)]
        subprocess.run(command, check=True, capture_output=True)
        return path


def deb_of_tar(path: Path, data: bytes, arch: str = "amd64") -> Path:
    """A package around a data.tar.gz that dpkg-deb itself would never make."""
    control = Deb("linux-image-evil", {}, arch=arch).control.encode()
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar_bytes({"./control": control}),
        "data.tar.gz": data,
    }
    with path.open("wb") as file:
        file.write(b"!<arch>\n")
        for name, content in members.items():
            file.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            file.write(content + b"\n" * (len(content) % 2))
    return path


def rpm_bytes(files: dict[str, bytes], arch: str = "x86_64", mode: int = 0o100644) -> bytes:
    """An RPM package: lead, signature header with a digest, header, gzip-compressed cpio.

    With the `mode` of a link (0o120777) the files' contents are where they lead.
    """
    payload = gzip.compress(_cpio(files, mode))
    tags = {
        1000: "kernel-core",
        1001: "6.1.0",
        1002: "9.el1",
        1022: arch,
        5092: hashlib.sha256(payload).hexdigest(),
    }
    lead = b"\xed\xab\xee\xdb\x03\0".ljust(78, b"\0") + b"\0\x05".ljust(18, b"\0")
    header = _rpm_section(tags)
    signature = _rpm_section({273: hashlib.sha256(header).hexdigest()})
    return lead + signature + bytes(-len(signature) % 8) + header + payload


def _rpm_section(tags: dict[int, str]) -> bytes:
    index = data = b""
    for tag, text in tags.items():
        index += struct.pack(">IIII", tag, 6, len(data), 1)
        data += text.encode() + b"\0"
    return struct.pack(">4s4xII", b"\x8e\xad\xe8\x01", len(tags), len(data)) + index + data


def _cpio(files: dict[str, bytes], mode: int) -> bytes:
    archive = b""
    for number, (name, data) in enumerate({**files, "TRAILER!!!": b""}.items(), 1):
        path = name.encode() + b"\0"
        kind = mode if number <= len(files) else 0
        fields = (number, kind, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        archive += b"\0" * (-len(archive) % 4) + data
        archive += b"\0" * (-len(archive) % 4)
    return archive


def _told(file: Path, root: Path) -> str:
    """A line of a Release file."""
    data = file.read_bytes()
    return f" {hashlib.sha256(data).hexdigest()} {len(data)} {file.relative_to(root)}\n"


class Mirror:
    """A signed Debian archive in a folder, for apt's file: method."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.keyring = root / "archive-keyring.gpg"
        root.mkdir(parents=True, exist_ok=True)
        self._home = Path(tempfile.mkdtemp(prefix="gpg-"))  # short, as the agent's socket wants it
        self._gpg("--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
        self._gpg("--export", "--output", str(self.keyring))

    @property
    def uri(self) -> str:
        return f"file://{self.root}"

    def publish(self, suite: str, *debs: Deb, arch: str = "amd64", other: str = "") -> None:
        """Make `suite` hold these packages, signed, for an architecture, and perhaps another."""
        pool = self.root / "pool" / suite
        pool.mkdir(parents=True, exist_ok=True)
        stanzas = {self._stanza(deb, deb.build(pool)): deb.arch for deb in debs}
        main = self.root / "dists" / suite / "main"
        for name, strange in ((arch, other), (other, arch)):
            if name:
                packages = main / f"binary-{name}" / "Packages"
                packages.parent.mkdir(parents=True, exist_ok=True)
                packages.write_text("\n".join(s for s, of in stanzas.items() if of != strange))
        self._release(suite, main)

    def close(self) -> None:
        """Stop the agent that gpg started, and forget the key."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False)
        shutil.rmtree(self._home, ignore_errors=True)

    def _stanza(self, deb: Deb, path: Path) -> str:
        data = path.read_bytes()
        return (
            f"{deb.control}Filename: {path.relative_to(self.root)}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )

    def _release(self, suite: str, main: Path) -> None:
        release = main.parent / "Release"
        lists = sorted(main.glob("binary-*/Packages"))
        archs = " ".join(path.parent.name.removeprefix("binary-") for path in lists)
        release.write_text(
            f"Origin: Sample\nSuite: {suite}\nCodename: {suite}\nComponents: main\n"
            f"Architectures: {archs}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n"
            + "".join(_told(path, main.parent) for path in lists)
        )
        signed = release.with_name("InRelease")
        self._gpg("--clearsign", "--digest-algo", "SHA256", "-o", str(signed), str(release))

    def _gpg(self, *arguments: str) -> None:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--yes", "--passphrase", ""]
        subprocess.run([*command, *arguments], check=True, capture_output=True)


def use(mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch, *, security: bool) -> Cache:
    """A cache in `folder`, and an environment in which its kernels come from `mirror` alone.

    From its security suites as well, if there are any.
    """
    settings = folder / "apt.conf"
    settings.write_text('Acquire::Retries "0";\n')
    for name, value in {
        "HOTREMOVE_MIRROR": mirror.uri,
        "HOTREMOVE_MIRROR_KEYRING": str(mirror.keyring),
        "APT_CONFIG": str(settings),
        "HOTREMOVE_CACHE": str(folder / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    if security:
        monkeypatch.setenv("HOTREMOVE_SECURITY_MIRROR", mirror.uri)
    else:
        monkeypatch.delenv("HOTREMOVE_SECURITY_MIRROR", raising=False)
    return Cache(folder / "cache")
