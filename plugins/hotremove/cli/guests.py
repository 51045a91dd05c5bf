# SPDX-License-Identifier: Apache-2.0
"""`hotremove doctor`, `reap`, `prune` and `attach`: the machine, its guests and its cache."""

from __future__ import annotations

import argparse
import os
import selectors
import socket
import sys
import termios
import tty
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove.cache import Cache
from hotremove.cli import prune
from hotremove.cli.doctor import examine
from hotremove.errors import UsageProblem
from hotremove.virt import reaper

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_LEAVE = b"\x1d"  # Ctrl-], as telnet has it


def register(subparsers: Subparsers) -> None:
    """Add the commands to a parser."""
    doctor = subparsers.add_parser("doctor", help="say what this machine can do and what it lacks")
    doctor.set_defaults(func=run_doctor)
    reap = subparsers.add_parser("reap", help="clear what a killed run or a power cut left")
    reap.add_argument("--kept", action="store_true", help="end kept guests as well")
    reap.set_defaults(func=run_reap)
    prune.register(subparsers)
    attach = subparsers.add_parser("attach", help="a shell in a kept or paused guest")
    attach.add_argument("socket", type=Path, help="the shell.sock that the run printed")
    attach.set_defaults(func=run_attach)


def run_doctor(_options: argparse.Namespace) -> int:
    """Print each finding; 1 when something is missing."""
    healthy = True
    for finding in examine(Cache.default()):
        print(f"{'ok     ' if finding.ok else 'MISSING'}  {finding.what}: {finding.told}")
        healthy = healthy and finding.ok
    return 0 if healthy else 1


def run_reap(options: argparse.Namespace) -> int:
    """End the guests of dead runs and remove their directories."""
    for directory in reaper.ownerless():
        kept = reaper.kept(directory)
        if kept and not options.kept:
            print(f"{directory}: {len(kept)} kept, which `hotremove reap --kept` ends")
            continue
        elsewhere = reaper.remote_guest(directory)
        killed = reaper.reap(directory)
        reaper.reclaim(elsewhere)
        print(f"{directory}: {len(killed)} guests ended, directory removed")
    return 0


def run_attach(options: argparse.Namespace) -> int:
    """Connect this terminal to a guest's shell until Ctrl-].

    Raises:
        UsageProblem: nobody listens at the socket.
    """
    with socket.socket(socket.AF_UNIX) as channel:
        try:
            channel.connect(str(options.socket))
        except OSError as error:
            raise UsageProblem(f"{options.socket}: {error.strerror}: is the guest gone?") from error
        print("connected; Ctrl-] leaves", file=sys.stderr)
        if not sys.stdin.isatty():
            _relay(channel)
            return 0
        before = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            channel.sendall(b"\r")
            _relay(channel)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    return 0


def _relay(channel: socket.socket) -> None:
    """Copy both ways until either side ends or the user leaves."""
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _events in selector.select():
                from_guest = key.fileobj is channel
                data = channel.recv(65536) if from_guest else os.read(sys.stdin.fileno(), 4096)
                if not data or (not from_guest and _LEAVE in data):
                    return
                if from_guest:
                    os.write(sys.stdout.fileno(), data)
                else:
                    channel.sendall(data)
