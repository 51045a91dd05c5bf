# SPDX-License-Identifier: Apache-2.0
"""Guests on another machine: how soon they answer, and how fast data goes there and back.

    bench/remote.py [HOSTS.TOML] [--way tls|ssh|tcp] [--kernel SPEC] [--guests N]

Without a file, the other machine is a libvirt daemon in a network namespace of this one, reached by
`--way`, and saved guests go to a cache of the bench's own: the first guest is booted and saved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from hotremove.remote.hosts import Host, read_hosts
from hotremove.remote.remote_guests import RemoteGuests
from hotremove.session.farm import Farm
from hotremove.session.options import Options

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/live"))
from libvirt_hosts import network
from run_harness import Laboratory

CHANNEL_BYTES = 2_000_000
FILE_BYTES = 100 << 20


def seconds(what: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.monotonic()
    what()
    return time.monotonic() - start


@contextmanager
def hosts_of(file: Path | None, way: str) -> Iterator[tuple[Host, ...]]:
    """Those of the file, or one in a network namespace."""
    if file:
        yield read_hosts(file)
        return
    with network(1, way) as (machine,), tempfile.TemporaryDirectory() as folder:
        own = Laboratory(Path(folder), Path(folder)).private_cache()
        os.environ["HOTREMOVE_CACHE"] = str(own)
        yield (Host("anna", machine.uri),)


def measure_guests(farm: Farm, count: int) -> None:
    """Have guests one after the other, and the last one send much."""
    plan = farm.plan(farm.kernels[0])
    took = []
    for number in range(count):
        start = time.monotonic()
        with farm.guest_source.lend(plan) as guest:
            took.append(time.monotonic() - start)
            if number == count - 1:
                sent = seconds(partial(guest.control.run, f"head -c {CHANNEL_BYTES} /dev/zero"))
                print(f"{CHANNEL_BYTES / 1e6:.0f} MB through the agent's channel: {sent:.2f} s")
    further = f"{statistics.median(took[1:]):.2f} s (median), {max(took[1:]):.2f} s (longest)"
    print(f"first guest: {took[0]:.1f} s; each of {count - 1} further ones: {further}")


def measure_files(guests: RemoteGuests) -> None:
    """Send a file to the pool and fetch it back."""
    with tempfile.TemporaryDirectory() as folder:
        file, back = Path(folder, "file"), Path(folder, "back")
        file.write_bytes(os.urandom(FILE_BYTES))
        up = seconds(lambda: guests.store.send(file, "bench"))
        down = seconds(lambda: guests.store.receive("bench", back))
        guests.store.remove("bench")
        if back.read_bytes() != file.read_bytes():
            raise SystemExit("the file came back as another")
        print(f"{FILE_BYTES >> 20} MiB uploaded in {up:.2f} s, downloaded in {down:.2f} s")


def main() -> int:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--way", default="tls")
    parser.add_argument("--kernel", default="debian:bookworm")
    parser.add_argument("--guests", type=int, default=8)
    options = parser.parse_args()
    plain = Options((options.kernel,), "movable-node", "auto", None, None, 120.0, False, 600.0)
    with hosts_of(options.file, options.way) as hosts:
        farm = Farm(replace(plain, hosts=hosts))
        try:
            measure_guests(farm, options.guests)
            measure_files(farm.guest_source)
        finally:
            farm.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
