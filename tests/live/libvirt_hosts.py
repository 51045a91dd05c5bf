# SPDX-License-Identifier: Apache-2.0
"""Machines to farm out to: libvirt daemons, each in a network namespace, with state of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from run_harness import until
from transports import TRANSPORTS, Transport

from hotremove.hosttools import find_tool

# Programs and their packages.
_PROGRAMS = (("ip", "iproute2"), ("libvirtd", "libvirt-daemon"))
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


@contextmanager
def network(count: int, transport: str = "tls") -> Iterator[tuple[LibvirtHost, ...]]:
    """So many machines, up and running; their folders' names are short, as sockets want them."""
    require_hosts(transport)
    folder = Path(tempfile.mkdtemp(prefix="hrm-"))
    numbers = [2 * (os.getpid() % 100) + n for n in range(count)]
    reached = TRANSPORTS[transport](folder / "transport", [address(number) for number in numbers])
    made = tuple(
        LibvirtHost(f"hr{os.getpid()}{letter}", number, folder / letter, reached)
        for letter, number in zip("abcd", numbers, strict=False)
    )
    try:
        for machine in made:
            machine.start()
        yield made
    finally:
        for machine in made:
            machine.stop()
        shutil.rmtree(folder, ignore_errors=True)


def require_hosts(transport: str) -> None:
    """Skip where there can be none that are reached that way, saying why."""
    why = _missing(_PROGRAMS + TRANSPORTS[transport].programs)
    if why:
        pytest.skip(why)


def _missing(packages: tuple[tuple[str, str], ...]) -> str | None:
    if os.geteuid():
        return "this account may make no network namespaces: run as root"
    for program, package in packages:
        if not find_tool(program):
            return f"{program} is missing: apt-get install {package}"
    probe = f"hrprobe{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return "this account may make no network namespaces here"
    ip("netns", "del", probe)
    return None


def address(number: int) -> str:
    """Of the machine in a network."""
    return f"10.231.{number}.2"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass
class LibvirtHost:
    """A network namespace with a libvirt daemon in it.

    Attributes:
        name: of the namespace; at most 12 letters, as its link has the name with a `v` before it.
        number: of its network, 10.231.NUMBER.0/30.
        folder: its state.
        transport: how it is reached.
    """

    name: str
    number: int
    folder: Path
    transport: Transport
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return address(self.number)

    @property
    def uri(self) -> str:
        return self.transport.uri(self.address)

    def start(self) -> None:
        """Bring it up, with a storage pool called hotremove."""
        for own in (*_OWN.values(), "lib/hotremove"):
            (self.folder / own).mkdir(parents=True, exist_ok=True)
        (self.folder / "run/lock").mkdir(exist_ok=True)  # where libvirt locks terminals
        (self.folder / "etc/qemu.conf").write_text(_QEMU_CONF)
        settings = "".join(f"{line}\n" for line in self.transport.settings(self.address))
        (self.folder / "libvirtd.conf").write_text(settings)
        self._link()
        self.start_daemon()
        self._make_pool()

    def start_daemon(self) -> None:
        """Start libvirtd and wait until it answers; its guests may be there from before."""
        binds = [f"mount --bind {self.folder / own} {real}" for real, own in _OWN.items()]
        makes = f"mkdir -p {' '.join(_OWN)}"
        listen = "--listen" if self.transport.listens else ""
        daemon = f"exec libvirtd {listen} --config {self.folder}/libvirtd.conf"
        script = "; ".join(("set -e", makes, *binds, *self.transport.servers(), daemon))
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
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, "cat", "/proc/net/tcp"], capture_output=True
        )
        listening = f":{self.transport.port:04X} 00000000:0000 0A".encode() in done.stdout
        return listening and (
            self.transport.listens or (self.folder / "run/libvirt/libvirt-sock").exists()
        )

    def _make_pool(self) -> None:
        """As the administrator does by `virsh pool-define-as` and `pool-start`."""
        import libvirt

        connection = libvirt.open(self.uri)
        connection.storagePoolCreateXML(
            "<pool type='dir'><name>hotremove</name>"
            "<target><path>/var/lib/libvirt/hotremove</path></target></pool>"
        )
        connection.close()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
