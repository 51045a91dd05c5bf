# SPDX-License-Identifier: Apache-2.0
"""The same guest by hand: QEMU, QMP and sockets, without libvirt, pytest or the farm's classes.

The baseline that the other scripts in this folder measure the farm against.
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

MIB = 1 << 20


def arguments(kernel: str, initramfs: str, cmdline: str, folder: Path) -> list[str]:
    """QEMU's command line for the topology `movable-node`."""
    chardev = "socket,server=on,wait=off"
    return [
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-machine", "q35,kernel_irqchip=split,usb=off", "-accel", "tcg"),
        *("-cpu", "qemu64,pdpe1gb=on,rdrand=on", "-smp", "2"),
        *("-m", "size=640M,slots=8,maxmem=8192M"),
        *("-object", "memory-backend-ram,id=ram0,size=512M", "-numa", "node,cpus=0-1,memdev=ram0"),
        *("-object", "memory-backend-ram,id=ram1,size=128M", "-numa", "node,memdev=ram1"),
        *("-device", "intel-iommu,intremap=on,caching-mode=on"),
        *("-device", "virtio-serial-pci,id=serial"),
        *("-chardev", f"{chardev},id=control,path={folder}/control"),
        *("-device", "virtserialport,chardev=control,name=org.hotremove.control"),
        *("-chardev", f"file,id=evidence,path={folder}/evidence"),
        *("-device", "virtserialport,chardev=evidence,name=org.hotremove.evidence"),
        *("-serial", f"file:{folder}/console", "-serial", "null"),
        *("-qmp", f"unix:{folder}/qmp,server=on,wait=off"),
        *("-kernel", kernel, "-initrd", initramfs, "-append", cmdline),
    ]


def connect(path: Path, deadline: float = 60) -> socket.socket:
    """A connection to a unix socket that is about to appear."""
    end = time.monotonic() + deadline
    while True:
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(str(path))
        except OSError:
            channel.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            channel.settimeout(deadline)
            return channel


class Bare:
    """A QEMU process with its monitor and the agent's channel."""

    def __init__(self, kernel: str, initramfs: str, cmdline: str, *more: str) -> None:
        """Start QEMU, with `more` arguments, and wait until the agent answers."""
        self._folder = tempfile.TemporaryDirectory(prefix="bare-")
        folder = Path(self._folder.name)
        self._process = subprocess.Popen([*arguments(kernel, initramfs, cmdline, folder), *more])
        self._monitor = connect(folder / "qmp").makefile("rwb")
        self._monitor.readline()
        self.qmp("qmp_capabilities")
        self._control = connect(folder / "control").makefile("rwb")
        self._number = 0
        self._say(b"\n")
        self._request("ping")

    def __enter__(self) -> Bare:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def qmp(self, command: str, **words: Any) -> Any:
        """One command of QEMU's monitor; its answer."""
        request = {"execute": command, "arguments": words}
        self._monitor.write(json.dumps(request).encode() + b"\n")
        self._monitor.flush()
        while True:
            answer = json.loads(self._monitor.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"])
            if "return" in answer:
                return answer["return"]

    @property
    def pid(self) -> int:
        """Pid of QEMU."""
        return self._process.pid

    def save(self, state: Path) -> None:
        """Save the machine to a file, which stops it."""
        self.qmp("migrate", uri=f"exec:cat >{state}")
        while self.qmp("query-migrate")["status"] != "completed":
            time.sleep(0.02)

    def wait_for_event(self, name: str) -> None:
        """Wait for an event of QEMU's monitor."""
        while json.loads(self._monitor.readline()).get("event") != name:
            pass

    def run(self, command: str) -> bytes:
        """Run a command in the guest; what it printed."""
        return self._request(f"run 60 {command}")

    def start(self, command: str) -> int:
        """Start a command in the guest; its number."""
        self._number += 1
        self._say(f"{self._number} start {command}\n".encode())
        self._frame()
        return self._number

    def ask(self, job: int, line: str) -> Any:
        """Give a line to a job; the line of JSON it answers with."""
        data = line.encode() + b"\n" if line else b""
        if data:
            self._say(f"{job} input {len(data)}\n".encode() + data)
        answer = b""
        while not answer.endswith(b"\n"):
            answer += self._frame()[1]
        return json.loads(answer)

    def _request(self, words: str) -> bytes:
        self._number += 1
        self._say(f"{self._number} {words}\n".encode())
        printed = b""
        while True:
            kind, payload = self._frame()
            printed += payload
            if kind == b"exit":
                return printed

    def _say(self, data: bytes) -> None:
        self._control.write(data)
        self._control.flush()

    def _frame(self) -> tuple[bytes, bytes]:
        while True:
            _, kind, *rest = self._control.readline().split()
            if kind in (b"out", b"err"):
                return kind, self._control.read(int(rest[0]))
            if kind != b"ready":
                return kind, b""


def hot_remove(guest: Bare) -> None:
    """What the scenario does: plug, pin 32 MiB through rxe, eject, wait for the device to go."""
    guest.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "mem", "size": 512 * MIB})
    guest.qmp("device_add", driver="pc-dimm", id="dimm", memdev="mem", node=1)
    online = "while test $(cat /sys/devices/system/node/node1/memory3[2-5]/state | grep -c online) "
    guest.run(f"{online} -lt 4; do sleep 0.05; done")
    guest.run(
        "ip link add rdma0 type dummy; ip addr add 192.0.2.1/24 dev rdma0; "
        "ip link set rdma0 up; rdma_link rxe0 rxe rdma0"
    )
    holder = guest.start(f"exec holder --bytes {32 * MIB} --node 1 --faulted")
    guest.ask(holder, "")
    pinned = guest.ask(holder, "pin rdma device=rxe0")
    if pinned["event"] != "pinned":
        raise RuntimeError(pinned)
    guest.qmp("device_del", id="dimm")
    guest.wait_for_event("DEVICE_DELETED")
