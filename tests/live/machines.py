# SPDX-License-Identifier: Apache-2.0
"""Machines to farm out to: libvirt daemons, each in a network namespace, with state of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from laboratory import until

TLS_PORT, TCP_PORT = 16514, 16509
# What a daemon run by root takes for its own, and what of a machine's folders stands in for it.
_OWN = {
    "/run": "run",
    "/etc/libvirt": "etc",
    "/var/lib/libvirt": "lib",
    "/var/cache/libvirt": "cache",
    "/var/log/libvirt": "log",
}
_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""


def missing() -> str | None:
    """Why there can be no such machines here, or None."""
    if os.geteuid():
        return "network namespaces need root"
    programs = {"ip": "iproute2", "libvirtd": "libvirt-daemon", "openssl": "openssl"}
    for program, package in programs.items():
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            return f"{program} is missing: apt-get install {package}"
    probe = f"hrprobe{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return "network namespaces cannot be made here"
    ip("netns", "del", probe)
    return None


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class Machine:
    """A network namespace with a libvirt daemon in it.

    Attributes:
        name: of the namespace; at most 12 letters, as its link has the name with a `v` before it.
        number: of its network, 10.231.NUMBER.0/30.
        folder: its state; the storage pool is `pool` in it.
        pki: certificates, for TLS; without, it listens on TCP with no authentication.
    """

    name: str
    number: int
    folder: Path
    pki: Path | None = None
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"10.231.{self.number}.2"

    @property
    def uri(self) -> str:
        if self.pki:
            return f"qemu+tls://{self.address}/system?pkipath={self.pki / 'client'}"
        return f"qemu+tcp://{self.address}/system"

    def start(self) -> None:
        """Bring it up, with a storage pool called hotremove."""
        for own in (*_OWN.values(), "pool"):
            (self.folder / own).mkdir(parents=True, exist_ok=True)
        (self.folder / "run/lock").mkdir(exist_ok=True)  # where libvirt locks terminals
        (self.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.folder / "libvirtd.conf").write_text(self._settings())
        self._link()
        self.start_daemon()
        self._make_pool()

    def start_daemon(self) -> None:
        """Start libvirtd and wait until it answers; its guests may be there from before."""
        binds = [f"mount --bind {self.folder / own} {real}" for real, own in _OWN.items()]
        makes = f"mkdir -p {' '.join(_OWN)}"
        script = "; ".join(
            (
                "set -e",
                makes,
                *binds,
                f"exec libvirtd --listen --config {self.folder}/libvirtd.conf",
            )
        )
        words = ["ip", "netns", "exec", self.name, "unshare", "--mount", "sh", "-c", script]
        with (self.folder / "daemon.txt").open("ab") as output:
            self._daemon = subprocess.Popen(words, stdout=output, stderr=output)
        until(self._answers, 30, f"libvirtd on {self.name}")

    def kill_daemon(self) -> None:
        """As a crash does: guests live on, and nobody looks after them."""
        assert self._daemon
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait()

    def stop_daemon(self) -> None:
        """As a daemon does that hangs: it is there, and answers nothing."""
        assert self._daemon
        self._daemon.send_signal(signal.SIGSTOP)

    def die(self) -> None:
        """As a power cut does: the daemon and all guests end at once."""
        self.kill_daemon()
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def cut_off(self) -> None:
        """Take its link down; everything on it goes on."""
        ip("link", "set", f"v{self.name}", "down")

    def join_again(self) -> None:
        """Bring its link up."""
        ip("link", "set", f"v{self.name}", "up")

    def pids(self) -> list[int]:
        """What runs in it."""
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        return [int(pid) for pid in done.stdout.split()]

    def emulators(self) -> list[int]:
        """Its QEMU processes."""
        return [pid for pid in self.pids() if b"qemu-system" in _command(pid).split(b"\0")[0]]

    def stop(self) -> None:
        """Leave nothing of it."""
        for _ in range(50):
            pids = self.pids()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not pids:
                break
            time.sleep(0.1)
        if self._daemon:
            self._daemon.wait()
        for words in (("link", "del", f"v{self.name}"), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip(*words)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _settings(self) -> str:
        lines = [f'listen_addr = "{self.address}"', 'auth_tcp = "none"', 'auth_tls = "none"']
        lines += [f"listen_tls = {int(bool(self.pki))}", f"listen_tcp = {int(not self.pki)}"]
        if self.pki:
            lines += [
                f'key_file = "{self.pki}/server/serverkey.pem"',
                f'cert_file = "{self.pki}/server/servercert.pem"',
                f'ca_file = "{self.pki}/cacert.pem"',
            ]
        return "\n".join(lines) + "\n"

    def _link(self) -> None:
        outside, near = f"v{self.name}", f"10.231.{self.number}.1/30"
        ip("netns", "add", self.name)
        ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("addr", "add", near, "dev", outside)
        ip("link", "set", outside, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", "eth0")
        ip("-n", self.name, "link", "set", "eth0", "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def _answers(self) -> bool:
        """Whether the daemon listens; looked at from inside, where no proxy answers for it."""
        port = TLS_PORT if self.pki else TCP_PORT
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, "cat", "/proc/net/tcp"], capture_output=True
        )
        return f":{port:04X} 00000000:0000 0A".encode() in done.stdout

    def _make_pool(self) -> None:
        """As the administrator does by `virsh pool-define-as` and `pool-start`."""
        import libvirt

        connection = libvirt.open(self.uri)
        connection.storagePoolCreateXML(
            "<pool type='dir'><name>hotremove</name>"
            f"<target><path>{self.folder / 'pool'}</path></target></pool>"
        )
        connection.close()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def make_pki(folder: Path, addresses: list[str]) -> Path:
    """A certificate authority, a key for servers at `addresses` and one for clients."""
    for part in ("server", "client"):
        (folder / part).mkdir(parents=True)
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA"),
        *("-keyout", str(folder / "cakey.pem"), "-out", str(folder / "cacert.pem")),
        *("-addext", "keyUsage=critical,keyCertSign"),
    )
    names = ",".join(f"IP:{address}" for address in addresses)
    _sign(folder, "server/server", f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    _sign(folder, "client/client", "extendedKeyUsage=clientAuth\n")
    shutil.copy(folder / "cacert.pem", folder / "client/cacert.pem")
    return folder


def _sign(folder: Path, who: str, extensions: str) -> None:
    key, request, certificate = (folder / f"{who}{what}.pem" for what in ("key", "req", "cert"))
    wanted = folder / "extensions.txt"
    wanted.write_text(f"keyUsage=digitalSignature,keyEncipherment\n{extensions}")
    _openssl(
        *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={Path(who).name}"),
        *("-keyout", str(key), "-out", str(request)),
    )
    _openssl(
        *("x509", "-req", "-in", str(request), "-days", "2", "-CAcreateserial"),
        *("-CA", str(folder / "cacert.pem"), "-CAkey", str(folder / "cakey.pem")),
        *("-extfile", str(wanted), "-out", str(certificate)),
    )


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def require_machines() -> None:
    """Skip where there can be none, saying why."""
    why = missing()
    if why:
        pytest.skip(why)
