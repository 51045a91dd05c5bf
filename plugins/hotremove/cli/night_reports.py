# SPDX-License-Identifier: Apache-2.0
"""What a night leaves in its folder, and the mail about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hotremove import processes
from hotremove.analysis.nightly.settings import Settings
from hotremove.analysis.nightly.summary import Summary
from hotremove.errors import HostProblem
from hotremove.formats.night_mail import compose
from hotremove.formats.night_page import render_html, render_markdown
from hotremove.hosttools import find_tool, from_reports
from hotremove.results.files import write_all
from hotremove.results.record import Record, Result
from hotremove.results.source import Source

# Where Debian has it, which is not in the path of everybody.
_SENDMAIL = "/usr/sbin/sendmail"


def write_reports(
    found: Summary, settings: Settings, folder: Path, sources: Sequence[Source]
) -> None:
    """Write the page, the same as Markdown, the mail, and the file for a kernel CI database."""
    contents: dict[Path, str | bytes] = {
        folder / "night.html": render_html(found),
        folder / "night.md": render_markdown(found),
        folder / settings.mail.file: compose(found, settings.mail, folder),
    }
    if settings.kcidb and sources:
        contents[folder / "kcidb.json"] = _kcidb(found, sources)
    write_all(contents)


def send(mail: Path) -> None:
    """Give a mail to the machine's sendmail, which finds in it whom it is for.

    Raises:
        HostProblem: there is none, or it refuses.
    """
    program = find_tool("sendmail") or _SENDMAIL
    try:
        done = processes.feed([program, "-t", "-i"], "sending the mail", mail.read_bytes())
    except OSError as error:
        raise HostProblem(f"the mail is in {mail}, but {program}: {error.strerror}") from error
    if done.returncode:
        told = " ".join(done.stderr.decode(errors="replace").split())
        raise HostProblem(f"the mail is in {mail}, but {program} refuses it: {told}")


def _kcidb(found: Summary, sources: Sequence[Source]) -> str:
    with from_reports("KCIDB"):
        from hotremove.formats import kcidb  # jsonschema takes 0.3 s to load

    by_result = {id(result): source for source in sources for result in source.record.results}

    def log_of(result: Result) -> str:
        return by_result[id(result)].log_of(result)

    results = tuple(result for source in sources for result in source.record.results)
    record = Record(results, found.started, sources[0].record.environment)
    return json.dumps(kcidb.render(record, log_of), indent=1) + "\n"
