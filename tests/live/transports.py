# SPDX-License-Identifier: Apache-2.0
"""How a machine's libvirt is reached: TLS, ssh, or TCP that nobody guards."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hotremove.hosttools import find_tool


class Transport(ABC):
    """How to reach a machine.

    Attributes:
        port: where the machine listens.
        listens: whether it is libvirtd itself that does.
        programs: what it takes, and the packages that have them.
    """

    port: int
    listens = True
    programs: tuple[tuple[str, str], ...] = ()

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        """For the machines at `addresses`; what has to be in files lies in `folder`."""
        self.folder = folder

    @abstractmethod
    def uri(self, address: str) -> str:
        """Of the libvirt at an address."""

    @abstractmethod
    def settings(self, address: str) -> list[str]:
        """Lines of libvirtd.conf."""

    def servers(self) -> list[str]:
        """Shell commands that start what is needed beside libvirtd."""
        return []


class Tcp(Transport):
    """Neither encrypted nor authenticated."""

    port = 16509

    def uri(self, address: str) -> str:
        return f"qemu+tcp://{address}/system"

    def settings(self, address: str) -> list[str]:
        return [
            f'listen_addr = "{address}"',
            "listen_tls = 0",
            "listen_tcp = 1",
            'auth_tcp = "none"',
        ]


class Tls(Transport):
    """Certificates of an authority made for the occasion."""

    port = 16514
    programs = (("openssl", "openssl"),)

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        super().__init__(folder, addresses)
        for part in ("server", "client"):
            (folder / part).mkdir(parents=True)
        self._make_authority()
        names = ",".join(f"IP:{address}" for address in addresses)
        self._sign("server/server", f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        self._sign("client/client", "extendedKeyUsage=clientAuth\n")
        shutil.copy(folder / "cacert.pem", folder / "client/cacert.pem")

    def uri(self, address: str) -> str:
        return f"qemu+tls://{address}/system?pkipath={self.folder / 'client'}"

    def settings(self, address: str) -> list[str]:
        return [
            f'listen_addr = "{address}"',
            "listen_tls = 1",
            "listen_tcp = 0",
            'auth_tls = "none"',
            f'key_file = "{self.folder}/server/serverkey.pem"',
            f'cert_file = "{self.folder}/server/servercert.pem"',
            f'ca_file = "{self.folder}/cacert.pem"',
        ]

    def _make_authority(self) -> None:
        key, certificate = self.folder / "cakey.pem", self.folder / "cacert.pem"
        _call(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=test CA", "-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", str(key), "-out", str(certificate)),
        )

    def _sign(self, who: str, extensions: str) -> None:
        key, request, certificate = (
            self.folder / f"{who}{what}.pem" for what in ("key", "req", "cert")
        )
        wanted = self.folder / "extensions.txt"
        wanted.write_text(f"keyUsage=digitalSignature,keyEncipherment\n{extensions}")
        _call(
            *("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={Path(who).name}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        _call(
            *("openssl", "x509", "-req", "-in", str(request), "-days", "2", "-CAcreateserial"),
            *("-CA", str(self.folder / "cacert.pem"), "-CAkey", str(self.folder / "cakey.pem")),
            *("-extfile", str(wanted), "-out", str(certificate)),
        )


class Ssh(Transport):
    """A key that is let in as root; settings as docs/farm.md has them, and nobody's ~/.ssh."""

    port = 22
    listens = False
    programs = (("sshd", "openssh-server"),)

    def __init__(self, folder: Path, addresses: Sequence[str]) -> None:
        super().__init__(folder, addresses)
        folder.mkdir(mode=0o700, parents=True)
        for name in ("host", "client"):
            _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        self._write_settings()
        self._client = folder / "ssh"
        self._client.write_text(f'#!/bin/sh\nexec ssh -F {folder}/ssh_config "$@"\n')
        self._client.chmod(0o700)

    def uri(self, address: str) -> str:
        return f"qemu+ssh://root@{address}/system?command={self._client}"

    def settings(self, address: str) -> list[str]:
        return []

    def servers(self) -> list[str]:
        daemon = find_tool("sshd")
        return ["mkdir -p /run/sshd", f"{daemon} -f {self.folder}/sshd_config"]

    def _write_settings(self) -> None:
        server = (
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/client.pub",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "PidFile none",
        )
        client = (
            f"IdentityFile {self.folder}/client",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.folder}/known_hosts",
            "StrictHostKeyChecking accept-new",
            "ConnectTimeout 5",
            "ServerAliveInterval 3",
        )
        (self.folder / "sshd_config").write_text("\n".join(server) + "\n")
        (self.folder / "ssh_config").write_text("\n".join(client) + "\n")


TRANSPORTS: dict[str, type[Transport]] = {"tls": Tls, "ssh": Ssh, "tcp": Tcp}


def _call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
