# SPDX-License-Identifier: Apache-2.0
"""`hotremove bisect-step`: one commit for `git bisect run`: build, boot, run, say good or bad."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from hotremove import processes
from hotremove.analysis.bisect import Answer, Step, judge_run
from hotremove.architecture.known import build_words, of_config
from hotremove.bootimage.initramfs import build_image
from hotremove.cache import Cache
from hotremove.cgroups import cores
from hotremove.cli.builds import BuildFailed, CannotBuild, run_build
from hotremove.cli.suite import run_suite, split_words, suite_command
from hotremove.errors import HotremoveError, UsageProblem
from hotremove.kernels import config, spec
from hotremove.kernels.sources import git
from hotremove.progress import say
from hotremove.results.record import FILE
from hotremove.results.source import read
from hotremove.virt import reaper

if TYPE_CHECKING:
    from argparse import _SubParsersAction

BUILD_DEADLINE = 7200.0
RUN_DEADLINE = 1800.0


def register(subparsers: _SubParsersAction[ArgumentParser]) -> None:
    """Add the command to the program's subcommands."""
    parser = subparsers.add_parser(
        "bisect-step",
        help="judge one commit, for git bisect run",
        description="Build a kernel, boot it, run a scenario. Exit status: 0 good, 1 bad, 125"
        " cannot be judged (it does not build or boot, a guest was lost, the scenario was"
        " skipped), 128 wrong input or an unfit machine, which ends the bisection.",
    )
    parser.add_argument(
        "--tree", type=Path, metavar="PATH", help="the kernel tree, or its O= folder"
    )
    parser.add_argument(
        "--kernel",
        metavar="SPEC",
        help="the kernel after the build (default: tree:PATH, or git:PATH where nothing is built)",
    )
    parser.add_argument(
        "-k", dest="scenario", required=True, metavar="SCENARIO", help="as for pytest's -k"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="becomes the tree's .config")
    parser.add_argument(
        "--build",
        metavar="COMMAND",
        help="for the shell, in the tree (default with --tree: make -jN olddefconfig, the"
        " image and modules, for the architecture of the .config; nothing for a checkout without"
        " .config, and without --tree)",
    )
    _add_limits(parser)
    parser.add_argument("--scenarios", type=Path, metavar="PATH", help="default: the suite")
    parser.add_argument(
        "--artifacts", type=Path, metavar="DIR", help="keep each step's results and evidence here"
    )
    parser.add_argument(
        "--pytest",
        default="",
        metavar="WORDS",
        help="more for pytest: --pytest='--hotremove-accel=tcg'",
    )
    parser.set_defaults(func=run)


def _add_limits(parser: ArgumentParser) -> None:
    """How long a step may take, and how often it runs."""
    for name, default, what in (
        ("build-deadline", BUILD_DEADLINE, "the build"),
        ("deadline", RUN_DEADLINE, "the scenarios"),
    ):
        parser.add_argument(
            f"--{name}",
            type=float,
            default=default,
            metavar="SECONDS",
            help=f"how long {what} may take (default: {default:g})",
        )
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="good only after N good runs (races)"
    )


def run(options: Namespace) -> int:
    """Run `hotremove bisect-step`: its last line says what it found, and why."""
    try:
        step = take_step(options)
    except KeyboardInterrupt:
        step = Step(Answer.ABORT, "interrupted")
    except HotremoveError as error:
        step = Step(Answer.ABORT, str(error))
    except Exception as error:  # a defect of ours must not be taken for the kernel's
        step = Step(Answer.ABORT, f"a defect of bisect-step: {error!r}")
    print(step, flush=True)
    return step.answer


def take_step(options: Namespace) -> Step:
    """Build the kernel and run the scenarios on it.

    Raises:
        HotremoveError: wrong options or an unfit machine; it would be so for any commit.
    """
    kernel = _check(options)
    try:
        _build(options)
        _prepare(kernel)
    except (BuildFailed, UsageProblem) as error:
        return Step(Answer.SKIP, str(error))
    steps = (_run(options, kernel, number) for number in range(options.repeat))
    *_, last = _until_not_good(steps)
    return last


def _until_not_good(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.answer is not Answer.GOOD:
            return


def _check(options: Namespace) -> str:
    """The kernel's spec.

    Raises:
        UsageProblem: an option is wrong, whatever the commit.
    """
    tree: Path | None = options.tree
    if tree is None and options.kernel is None:
        raise UsageProblem("give --tree, or --kernel with what --build makes")
    if tree is not None and not tree.is_dir():
        raise UsageProblem(f"--tree {tree}: there is no such folder")
    for name in ("config", "scenarios"):
        path: Path | None = getattr(options, name)
        if path is not None and not path.exists():
            raise UsageProblem(f"--{name} {path}: there is no such file")
    if options.config and tree is None:
        raise UsageProblem("--config is for the tree: give --tree")
    if options.repeat < 1 or not min(options.deadline, options.build_deadline) > 0:
        raise UsageProblem("--repeat and the deadlines are more than nothing")
    split_words(options.pytest)
    told = options.kernel or f"{'git' if _is_checkout(options) else 'tree'}:{tree}"
    kernel = spec.parse_one(told, Cache.default())
    if kernel.scheme == git.SCHEME:
        git.check(kernel.rest)
    return str(kernel)


def _is_checkout(options: Namespace) -> bool:
    """Whether the tree's commit can be built as it is: nobody has said how to build it in place."""
    tree: Path = options.tree
    told = options.build is not None or options.config or options.kernel
    return not told and not (tree / ".config").exists() and (tree / ".git").exists()


def _build(options: Namespace) -> None:
    """Build what the commit holds.

    Raises:
        BuildFailed: it does not build.
        CannotBuild: there is nothing to build with.
    """
    tree: Path = options.tree or Path()
    if options.config:
        shutil.copyfile(options.config, tree / ".config")
    command = options.build
    if command is None and options.tree and not _is_checkout(options):
        command = _default_build(tree)
    if command:
        run_build(command, tree, options.build_deadline)


def _default_build(tree: Path) -> str:
    """The kernel's own make, for the architecture that the tree is configured for.

    Raises:
        CannotBuild: it is not configured.
    """
    if not (tree / ".config").is_file():
        raise CannotBuild(f"{tree} has no .config: give --config FILE")
    words = build_words(of_config(config.read(tree / ".config")))
    return f"make -j{cores()} olddefconfig {' '.join(words)}"


def _prepare(kernel: str) -> None:
    """Make of the kernel what guests boot.

    Raises:
        UsageProblem: the build did not leave a whole kernel.
        HostProblem: this machine lacks something.
    """
    cache = Cache.default()
    build_image(spec.resolve(kernel, cache), cache)


@contextmanager
def _folder(options: Namespace, number: int) -> Iterator[Path]:
    """Where a run of the step puts its evidence, which is kept if that is wanted."""
    if options.artifacts is None:
        with reaper.temporary("bisect") as folder:
            yield folder
        return
    name = f"{_commit(options.tree or Path())}-{number + 1}"
    base: Path = options.artifacts.absolute()
    tries = (base / (name if again == 1 else f"{name}.{again}") for again in count(1))
    folder = next(path for path in tries if not path.exists())
    yield folder
    say(f"the evidence is in {folder}")


def _commit(tree: Path) -> str:
    """The commit that is checked out, for a folder's name."""
    command = ["git", "-C", str(tree), "rev-parse", "--short=12", "HEAD"]
    try:
        done = processes.run(command, "asking git for the commit")
    except OSError:
        return "step"
    return done.stdout.strip() or "step"


def _run(options: Namespace, kernel: str, number: int) -> Step:
    words = ["-k", options.scenario, *split_words(options.pytest)]
    with _folder(options, number) as folder:
        command = suite_command(folder, [kernel], *words, scenarios=options.scenarios)
        code = run_suite(command, options.deadline)
        cases = read(folder, str(folder)).cases if (folder / FILE).is_file() else ()
        return judge_run(code, cases)
