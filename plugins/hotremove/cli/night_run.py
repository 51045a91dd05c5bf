# SPDX-License-Identifier: Apache-2.0
"""One kernel of a night: the suite in a child process, what it prints in a file."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from hotremove.analysis.nightly.settings import Settings
from hotremove.cli.suite import run_suite, split_words, suite_command
from hotremove.kernels.offers.offer import Offer
from hotremove.progress import waiting


def run_offer(
    offer: Offer, settings: Settings, folder: Path, room: float
) -> tuple[str, int | None]:
    """Run the suite on a kernel, in at most `room` seconds.

    What an earlier try of the same night left is removed.

    Returns:
        The artifacts' folder below `folder`, and the exit code; None where the time was up.
    """
    name = re.sub(r"[^A-Za-z0-9._+-]+", "-", offer.version)
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    with waiting(f"running the suite on {offer.version}"):
        ended = run_suite(_command(offer, settings, place), room, folder / f"{name}.log")
    return name, ended


def _command(offer: Offer, settings: Settings, place: Path) -> list[str]:
    words = [f"--hotremove-expect={settings.expect}"]
    words += ["--hotremove-prove"] if settings.prove else []
    words += [] if offer.modules else ["--hotremove-without=modules"]
    words += split_words(settings.pytest)
    scenarios = Path(settings.scenarios) if settings.scenarios else None
    return suite_command(place, [offer.spec], *words, scenarios=scenarios)
