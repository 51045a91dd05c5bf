# SPDX-License-Identifier: Apache-2.0
"""The connection to libvirt: its event loop, its events, its errors."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from lxml import etree

from hotremove.architecture.architecture import Architecture
from hotremove.architecture.known import DEFAULT
from hotremove.errors import GuestLost, HostProblem
from hotremove.hosttools import packages
from hotremove.virt import machine_state, reaper
from hotremove.virt.calls import CALL, PROBE, SAVE, CallOverdue, bounded
from hotremove.virt.clock import CLOCK
from hotremove.virt.connection_watchdog import ConnectionWatchdog
from hotremove.virt.monitor import MonitorRefusal
from hotremove.virt.node_files import NodeFiles
from hotremove.virt.process import subreaper

T = TypeVar("T")
DeviceEventKind = Literal["removed", "refused"]
# Arguments of a QEMU that libvirt asks what it can do; no guest runs in it.
_PROBE = "none,accel="


@dataclass(frozen=True)
class DeviceEvent:
    """What became of a device that the guest was asked to give back.

    Attributes:
        domain: libvirt's number of the running domain; names come back with every restored guest.
        alias: the device.
        kind: the answer.
    """

    domain: int
    alias: str
    kind: DeviceEventKind


class Hypervisor:
    """One libvirt connection and the events it has sent."""

    def __init__(self, uri: str, log: Path) -> None:
        """Connect to `uri`; libvirt's own messages go to the file `log`.

        Raises:
            HostProblem: libvirt is missing or does not answer.
        """
        self.uri = uri
        self._libvirt = _load_libvirt(log)
        self._events: list[DeviceEvent] = []
        self._arrival = threading.Condition()
        self._watchdog: ConnectionWatchdog | None = None
        self._node_files = NodeFiles(self._root)
        subreaper()
        self._connect()

    @property
    def connection(self) -> Any:
        """The connection as libvirt has it."""
        return self._connection

    @property
    def alive(self) -> bool:
        """Whether the connection is there; a host that is cut off is noticed after some seconds."""
        try:
            return bool(self._connection.isAlive())
        except self._libvirt.libvirtError:
            return False

    @property
    def embedded(self) -> bool:
        """Whether libvirt's driver runs in this process."""
        return "/embed" in self.uri

    @property
    def _root(self) -> Path:
        """Where the embedded driver has its files."""
        return Path(self.uri.partition("root=")[2])

    @property
    def paused(self) -> int:
        """What libvirt calls a domain whose CPUs are stopped."""
        return int(self._libvirt.VIR_DOMAIN_PAUSED)

    def reconnect(self) -> None:
        """Connect again if the connection was lost.

        Raises:
            HostProblem: libvirt does not answer.
        """
        if not self.alive:
            self._let_go()
            self._connect()

    def _connect(self) -> None:
        reach = self._reach if not self.embedded else lambda: self._libvirt.open(self.uri)
        what = f"connecting to libvirt at {self.uri}"
        self._node_files.begin_again()
        try:
            self._connection = self.call(HostProblem, what, reach)
            self.call(HostProblem, what, self._listen)
        except HostProblem as error:
            if not self.embedded or "no connection driver available" not in str(error):
                raise
            how = packages.advice("libvirt-daemon-driver-qemu")
            raise HostProblem(f"libvirt's QEMU driver is missing: {how}") from error

    def _reach(self) -> Any:
        """A connection to a libvirt that can go away: another process, another machine."""
        watchdog = ConnectionWatchdog()
        with watchdog.catch():
            connection = self._libvirt.open(self.uri)
        watchdog.begin(connection.getLibVersion)
        self._watchdog = watchdog
        return connection

    def close(self) -> None:
        """End the connection; guests of other owners are not touched.

        Raises:
            HostProblem: libvirt does not answer.
        """
        self._let_go()
        self.call(HostProblem, "closing libvirt", self._connection.close)

    def _let_go(self) -> None:
        if self._watchdog:
            self._watchdog.end()

    def create(
        self, xml: str, paused: bool = False, memory: Mapping[int, Path] | None = None
    ) -> Any:
        """Start a transient domain, with its CPUs stopped if it is to be `paused`.

        `memory` has files for nodes whose memory the XML says is of a file; by the node's number,
        with the embedded driver only.

        Raises:
            HostProblem: libvirt or QEMU refuses it; the text is theirs.
            CallOverdue: QEMU does not answer libvirt.
        """
        # The embedded driver has no autodestroy; the watchdog stands in for it.
        flags = 0 if self.embedded else self._libvirt.VIR_DOMAIN_START_AUTODESTROY
        flags |= self._libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
        name = etree.fromstring(xml.encode()).findtext("name") or ""

        def create() -> Any:
            return self._node_files.start(
                name, memory or {}, lambda: self._connection.createXML(xml, flags)
            )

        return self.call(HostProblem, "starting a guest", create, name)

    def save(self, domain: Any, image: Path) -> str:
        """Save a domain to a file, which ends it; gives the XML that the file carries.

        Raises:
            HostProblem: the file cannot be written.
            CallOverdue: QEMU does not answer libvirt.
            OSError: the disk is full.
        """

        def save() -> str:
            domain.save(str(image))
            return str(self._connection.saveImageGetXMLDesc(str(image), 0))

        try:
            return self.call(
                HostProblem, f"saving a guest to {image}", save, domain.name(), seconds=SAVE
            )
        except HostProblem as problem:
            full = os.strerror(errno.ENOSPC)
            if full in str(problem):
                raise OSError(errno.ENOSPC, full, str(image)) from problem
            raise

    def restore(self, name: str, image: Path, xml: str, paused: bool = False) -> Any:
        """Start a domain from a saved image, with its channels as `xml` has them.

        With its CPUs stopped if it is to be `paused`.

        Raises:
            GuestLost: the image is damaged or does not fit.
            CallOverdue: QEMU does not answer libvirt.
        """
        flags = self._libvirt.VIR_DOMAIN_SAVE_PAUSED if paused else 0

        def restore() -> Any:
            self._connection.restoreFlags(str(image), xml, flags)
            return self._connection.lookupByName(name)

        return self.call(GuestLost, "restoring a guest", restore, name)

    def save_state(self, domain: Any, state: Path, memory: Mapping[int, Path]) -> tuple[str, bool]:
        """Stop a domain and save its state to a file; gives its XML, and whether it is apart.

        That is, whether the nodes' memory of `memory` is in these files and not in `state`.

        Raises:
            HostProblem: the file cannot be written.
            CallOverdue: QEMU does not answer libvirt.
            OSError: the disk is full.
        """

        def save() -> tuple[str, bool]:
            xml = str(domain.XMLDesc(self._libvirt.VIR_DOMAIN_XML_MIGRATABLE))
            is_apart = bool(memory) and machine_state.is_mapped(domain, memory)
            machine_state.save(domain, state, is_apart)
            return xml, is_apart

        return self.call(
            HostProblem, f"saving a guest to {state}", save, domain.name(), seconds=SAVE
        )

    def restore_state(
        self,
        name: str,
        state: Path,
        xml: str,
        memory: Mapping[int, Path],
        is_same: Callable[[], bool],
    ) -> Any:
        """Start a domain that `save_state` has saved; `xml` says that its state comes in.

        Its CPUs are stopped until it is to `go_on`. `is_same()` tells, once all has been opened,
        whether the files are still those of one and the same guest.

        Raises:
            GuestLost: what was saved is damaged, gone, or does not fit.
            CallOverdue: QEMU does not answer libvirt.
        """

        def start() -> Any:
            return self._connection.createXML(xml, self._libvirt.VIR_DOMAIN_START_PAUSED)

        def restore() -> Any:
            domain = self._node_files.start(name, memory, start)
            try:
                self._load(domain, state, memory)
                if not is_same():
                    raise GuestLost("the saved guest was made again while it was restored")
            except BaseException:
                with suppress(self._libvirt.libvirtError):
                    domain.destroy()
                raise
            return domain

        return self.call(GuestLost, "restoring a guest", restore, name)

    def _load(self, domain: Any, state: Path, memory: Mapping[int, Path]) -> None:
        if not machine_state.is_mapped(domain, memory):
            raise GuestLost("restoring a guest: libvirt keeps guests' memory at another place")
        try:
            machine_state.load(domain, state, bool(memory))
        except OSError as error:
            raise GuestLost(f"the saved guest is gone: {error}") from error

    def go_on(self, name: str, domain: Any) -> None:
        """Let the CPUs of a restored domain run.

        Raises:
            GuestLost: it has ended.
            CallOverdue: QEMU does not answer libvirt.
        """
        self.call(GuestLost, "restoring a guest", domain.resume, name)

    def version(self) -> str:
        """Versions of libvirt and its QEMU, as numbers: part of a snapshot's key.

        Raises:
            HostProblem: libvirt does not answer.
        """

        def ask() -> str:
            asked = self._connection
            return f"libvirt {asked.getLibVersion()} qemu {asked.getVersion()}"

        return self.call(HostProblem, "asking libvirt for its version", ask, seconds=PROBE)

    def saved_xml(self, image: Path) -> str:
        """The XML that a saved image carries.

        Raises:
            GuestLost: there is none, or it is damaged.
        """

        def ask() -> str:
            return str(self._connection.saveImageGetXMLDesc(str(image), 0))

        return self.call(GuestLost, f"reading the saved guest {image}", ask)

    def capabilities(self) -> str:
        """What the host can do, as XML.

        Raises:
            HostProblem: libvirt does not answer.
        """
        ask = self._connection.getCapabilities
        return str(self.call(HostProblem, "asking for capabilities", ask, seconds=PROBE))

    def domain_capabilities(self, kind: str, arch: Architecture = DEFAULT) -> str:
        """What domains of type `kvm` or `qemu` can do, as XML.

        Raises:
            HostProblem: there are none of that type.
        """

        def ask() -> str:
            asked = (None, arch.uname, arch.machine.type, kind)
            return str(self._connection.getDomainCapabilities(*asked))

        return self.call(HostProblem, f"asking for {kind} domains", ask, seconds=PROBE)

    def size(self) -> tuple[int, int]:
        """CPUs and MiB of the host.

        Raises:
            HostProblem: libvirt does not answer.
        """
        info = self.call(HostProblem, "asking for the host's size", self._connection.getInfo)
        return int(info[2]), int(info[1])

    def domains(self) -> list[Any]:
        """The running domains.

        Raises:
            HostProblem: libvirt does not answer.
        """
        return list(self.call(HostProblem, "listing domains", self._connection.listAllDomains))

    def domain_names(self) -> list[str]:
        """Names of the running domains.

        Raises:
            HostProblem: libvirt does not answer.
        """
        return [str(domain.name()) for domain in self.domains()]

    def is_running(self, domain: Any) -> bool:
        """Whether a domain has not ended; a transient one that has is unknown to libvirt.

        Raises:
            GuestLost: libvirt does not answer.
        """

        def ask() -> bool:
            with self.unless_gone():
                return bool(domain.isActive())
            return False

        return self.call(GuestLost, "asking for the guest's state", ask)

    def call(
        self,
        kind: type[Exception],
        what: str,
        ask: Callable[[], T],
        guest: str = "",
        seconds: float = CALL,
    ) -> T:
        """What libvirt gives to `ask()`, which is given `seconds`.

        `guest` names the domain that it is about: its QEMU is ended when libvirt does not come
        back, which else would wait for a QEMU that is stopped for ever.

        Raises:
            Exception: libvirt's error, as one line of `kind` that says `what` was being done.
            CallOverdue: libvirt did not come back from a call about a guest.
        """
        try:
            with self.errors(kind, what):
                return bounded(ask, seconds, lambda: self._end_what_hangs(guest))
        except TimeoutError as error:
            told = f"{what}: libvirt did not answer in {seconds:g} s"
            if guest:
                raise CallOverdue(f"{told}, and QEMU was ended: was it stopped?") from error
            raise kind(told) from error

    def _end_what_hangs(self, guest: str) -> None:
        """End the QEMU that a call waits for, or the connection to a libvirt that answers no more.

        A destroy is the one thing that libvirt does to a guest that it is busy with.
        """
        if self.embedded:
            mark = f"guest={guest}," if guest else _PROBE
            for pid in reaper.emulators_of(self._root, mark):
                reaper.kill(pid)
            return
        try:
            if guest:
                bounded(lambda: self._destroy(guest), CALL / 2, lambda: None)
        except TimeoutError:
            guest = ""
        if not guest and self._watchdog:
            self._watchdog.fail()

    def _destroy(self, guest: str) -> None:
        with suppress(self._libvirt.libvirtError):
            self._connection.lookupByName(guest).destroy()

    @contextmanager
    def errors(self, kind: type[Exception], what: str) -> Iterator[None]:
        """Turn libvirt's errors into one line of `kind` that says `what` was being done."""
        try:
            yield
        except (self._libvirt.libvirtError, MonitorRefusal) as error:
            raise kind(f"{what}: {' '.join(str(error).split())}") from error

    @contextmanager
    def limited(self, kind: type[Exception], what: str, seconds: float) -> Iterator[None]:
        """`errors` for work with the streams of a libvirt behind a socket.

        The connection is given up when it is not done in `seconds`, which ends every call.
        """
        timer = threading.Timer(seconds, self._watchdog.fail if self._watchdog else lambda: None)
        timer.daemon = True
        timer.start()
        try:
            with self.errors(kind, what):
                yield
        finally:
            timer.cancel()

    @contextmanager
    def unless_gone(self) -> Iterator[None]:
        """Pass over what libvirt says of a domain that has ended, which it does not know."""
        try:
            yield
        except self._libvirt.libvirtError as error:
            if error.get_error_code() != self._libvirt.VIR_ERR_NO_DOMAIN:
                raise

    def wait_for_device(
        self, domain: int, alias: str, deadline: float, check_alive: Callable[[], None]
    ) -> DeviceEvent | None:
        """The event about a device asked back, or None after `deadline` seconds."""
        end = CLOCK.now() + deadline
        with self._arrival:
            while True:
                for event in self._events:
                    if (event.domain, event.alias) == (domain, alias):
                        self._events.remove(event)
                        return event
                left = end - CLOCK.now()
                if left <= 0:
                    return None
                if not self._arrival.wait(min(left, 0.5)):
                    check_alive()

    def _listen(self) -> None:
        libvirt = self._libvirt
        for number, kind in (
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "removed"),
            (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, "refused"),
        ):
            self._connection.domainEventRegisterAny(None, number, self._note, kind)

    def _note(self, _connection: Any, domain: Any, alias: str, kind: DeviceEventKind) -> None:
        with self._arrival:
            self._events.append(DeviceEvent(domain.ID(), alias, kind))
            self._arrival.notify_all()


def dotted(versions: str) -> str:
    """Versions as people write them, 9.0.0, where libvirt has 9000000."""
    return re.sub(r"\d+", lambda found: _dotted(int(found[0])), versions)


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


_event_loop: threading.Thread | None = None


_LOG_OUTPUTS = "LIBVIRT_LOG_OUTPUTS"


@contextmanager
def _messages_to(log: Path) -> Iterator[None]:
    """Have libvirt, if it is loaded meanwhile, send its messages to `log`.

    Where the user's environment sends them elsewhere, that stays. Ours is taken back: a child that
    loads libvirt, and each ssh client that libvirt starts, opens the file that its environment
    names, and does not start once the file's folder is gone.
    """
    if _LOG_OUTPUTS in os.environ:
        yield
        return
    os.environ[_LOG_OUTPUTS] = f"3:file:{log}"
    try:
        yield
    finally:
        del os.environ[_LOG_OUTPUTS]


def _load_libvirt(log: Path) -> Any:
    """Import libvirt with its chatter in a file and its event loop running.

    The embedded driver needs the loop before the connection opens.
    """
    global _event_loop
    try:
        with _messages_to(log):
            import libvirt
    except ImportError as error:
        raise HostProblem(f"libvirt's Python binding is missing: {error}") from error
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    if _event_loop is None:
        libvirt.virEventRegisterDefaultImpl()
        _event_loop = threading.Thread(target=_turn, args=(libvirt,), name="libvirt", daemon=True)
        _event_loop.start()
    return libvirt


def _turn(libvirt: Any) -> None:
    # A timer keeps the loop turning, so that handles added meanwhile are looked at.
    libvirt.virEventAddTimeout(1000, lambda _timer, _opaque: None, None)
    while True:
        libvirt.virEventRunDefaultImpl()
