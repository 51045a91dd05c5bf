# SPDX-License-Identifier: Apache-2.0
"""What is kept of a test: logs, counters, the domain, and a script that runs it again."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hotremove.cache import digest, host_errors
from hotremove.guest.machine import Guest
from hotremove.guest.plan import GuestPlan
from hotremove.memory.removal import Removal
from hotremove.observe.kernellog.logline import parse_line
from hotremove.observe.timeline import Moment

_LONGEST_NAME = 150
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\-\[\]]+")


@dataclass(frozen=True)
class Evidence:
    """The directory of one test's evidence; None keeps nothing."""

    directory: Path | None

    @classmethod
    def open(cls, artifacts: Path | None, test: str) -> Evidence:
        """A directory for `test` (a node id) below `artifacts`.

        Raises:
            HostProblem: it cannot be written.
        """
        if artifacts is None:
            return cls(None)
        directory = artifacts / safe_name(test)
        with host_errors(f"writing evidence to {artifacts}"):
            directory.mkdir(parents=True, exist_ok=True)
        return cls(directory)

    def before(
        self,
        test: str,
        plan: GuestPlan,
        root: Path,
        arguments: Iterable[str],
        more: Iterable[str],
    ) -> None:
        """Write `repro.sh`, before the test can take anything down with it.

        `more` are the options, beside the kernel and the guest's, that the test's id depends on.
        """
        if self.directory:
            script = self.directory / "repro.sh"
            with host_errors(f"writing evidence to {self.directory}"):
                script.write_text(repro_script(test, plan, root, arguments, more))
                script.chmod(0o755)

    def started(self, guest: Guest) -> None:
        """Keep the domain's XML while there is a domain."""
        if self.directory:
            (self.directory / "domain.xml").write_text(guest.xml())

    def keep(self, program: str, printed: str) -> None:
        """Write what a program of the guest printed."""
        if self.directory:
            with host_errors(f"writing evidence to {self.directory}"):
                (self.directory / f"{program}.log").write_text(printed)

    def after(self, removals: Iterable[Removal], guest: Guest, emulator_log: Path | None) -> None:
        """Keep the guest's logs, QEMU's where it is to be had, and what the removals counted."""
        if not self.directory:
            return
        with host_errors(f"writing evidence to {self.directory}"):
            messages = guest.evidence.text() if guest.ended else guest.dmesg()
            (self.directory / "dmesg.log").write_text(readable(messages))
            logs = {guest.console.path.name: guest.console.path, "qemu.log": emulator_log}
            for name, source in logs.items():
                if source and source.is_file():
                    shutil.copyfile(source, self.directory / name)
            counters = json.dumps([removal_facts(r) for r in removals], indent=1)
            (self.directory / "removals.json").write_text(counters + "\n")

    def timed(self, moments: Iterable[Moment]) -> None:
        """Keep what the test's time went into."""
        if self.directory:
            facts = json.dumps([moment_facts(one) for one in moments])
            with host_errors(f"writing evidence to {self.directory}"):
                (self.directory / "timeline.json").write_text(facts + "\n")


def safe_name(test: str) -> str:
    """A node id as a file name that stays in its directory; the test's own file tells no more."""
    name = _UNSAFE.sub("_", Path(test.partition("::")[0]).stem + "." + test.partition("::")[2])
    short = name.strip("._")[:_LONGEST_NAME]
    return short if short == name else f"{short}.{digest(test)[:8]}"


def repro_script(
    test: str, plan: GuestPlan, root: Path, arguments: Iterable[str], more: Iterable[str] = ()
) -> str:
    """A shell script that runs one test again on its kernel; its id is relative to `root`."""
    command = [sys.executable, "-m", "pytest", test, "--hotremove-kernel", plan.image.kernel.spec]
    command += ["--hotremove-topology", plan.topology.name, *more]
    return "\n".join(
        (
            "#!/bin/sh",
            _comment(test),
            _comment(f"kernel {plan.image.kernel.release} ({plan.image.kernel.version})"),
            _comment(f"was run as: pytest {shlex.join(arguments)}"),
            f"cd {shlex.quote(str(root))} || exit 1",
            f'exec {shlex.join(command)} "$@"',
            "",
        )
    )


def _comment(text: str) -> str:
    """A comment of a shell script: a line break in it would end it, and begin a command."""
    return f"# {' '.join(text.split())}"


def readable(messages: str) -> str:
    """Records of /dev/kmsg as `dmesg` shows them."""
    lines = (parse_line(line) for line in messages.splitlines())
    return "".join(
        f"[{line.seconds:12.6f}] {line.text}\n" if line.seconds is not None else f"{line.text}\n"
        for line in lines
    )


def moment_facts(moment: Moment) -> list[object]:
    """A moment for a machine: name, start and length in seconds."""
    return [moment.name, round(moment.start, 3), round(moment.seconds, 3)]


def removal_facts(removal: Removal) -> dict[str, object]:
    """A removal for a machine: outcome, time in seconds, pins, counters before and after."""
    return {
        "mechanism": removal.mechanism,
        "outcome": str(removal.outcome),
        "seconds": round(removal.seconds, 3),
        "deadline": removal.deadline,
        "explanation": str(removal),
        "reasons": list(removal.reasons),
        "node": removal.node,
        "frames": removal.frames.listed(),
        "pins": [
            {"path": p.path, "pid": p.pid, "bytes": p.size, "frames": p.frames.listed()}
            for p in removal.pins
        ],
        "before": dict(removal.before.values),
        "after": dict(removal.after.values),
    }
