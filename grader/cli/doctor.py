"""``grader doctor``: what this machine can isolate and reproduce, tried and not only claimed."""

import argparse
import platform
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from grader import __version__
from grader.cli.options import add_command
from grader.errors import CannotJudge

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.exercise.model import Exercise, StoredExercise
    from grader.sandbox.client import Launcher
    from grader.sandbox.control import Locked
    from grader.sandbox.trial import Attempt


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "doctor", "say what this machine can isolate and reproduce")
    command.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Try it: lock a worker, let it attack, ask the reference twice, print what held. 0 when strict grading works here,
    else 3."""
    from grader.exercise.model import builtin_exercise
    from grader.packages.trouble import Trouble
    from grader.sandbox.client import Launcher
    from grader.sandbox.errors import LauncherFailed, NotIsolated

    write = sys.stdout.write
    write(f"grader {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}\n")
    exercise = builtin_exercise()
    try:
        with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:
            started = launcher.started
            write(f"torch {started.torch}, {started.cpu}, {started.threads} thread\n\nIsolation\n")
            locked, tried = _attack(launcher, exercise)
            write("".join(f"{line}\n" for line in _layers(locked, tried)))
            write("\nReproducibility\n")
            steady = True
            for comparison, same in _repeat(launcher, exercise):
                steady = steady and same
                write(f"  {'yes' if same else 'no '}  {comparison}: the same bits in two processes\n")
    except (LauncherFailed, Trouble) as error:
        write(f"\n  no   {error}\n")
        if isinstance(error, NotIsolated):
            write("\nHere only --isolation process works: for code that you trust.\n")
        else:
            write("\nThis machine cannot grade.\n")
        return CannotJudge.exit_code
    if any(attempt.refusal is None for attempt in tried):
        write("\nA worker got through its lock here: grade no code that you do not trust, and report this.\n")
        return CannotJudge.exit_code
    write("\nThis machine can grade.\n" if steady else "\nThis machine cannot judge bit for bit.\n")
    return 0 if steady else CannotJudge.exit_code


def _attack(launcher: "Launcher", exercise: "StoredExercise") -> "tuple[Locked, list[Attempt]]":
    """What a worker says it is locked by, and what it attempted against those layers."""
    from grader.sandbox.trial import attempts

    worker = launcher.spawn({})
    try:
        locked = worker.locked
    finally:
        worker.close()
    in_force = {phrase.partition(":")[0] for phrase in locked.applied}
    secret = exercise.reference_directory / "model.py"
    return locked, [attempt for attempt in attempts(launcher, secret) if attempt.layer in in_force]


def _layers(locked: "Locked", tried: "Iterable[Attempt]") -> Iterator[str]:
    """Each layer in force with what it refused; then what is missing."""
    tried = list(tried)
    for phrase in locked.applied:
        yield f"  yes  {phrase}"
        for attempt in tried:
            if attempt.layer == phrase.partition(":")[0]:
                yield f"         {attempt.deed}: {f'refused ({attempt.refusal})' if attempt.refusal else 'NOT REFUSED'}"
    for sentence in locked.missing:
        yield f"  no   {sentence}"


def _repeat(launcher: "Launcher", exercise: "Exercise") -> Iterator[tuple[str, bool]]:
    """By comparison, whether two processes that answer for the reference give the same bits."""
    from grader.comparisons.catalogue import BY_ID
    from grader.grading.variants import Variants
    from grader.limits import TRUSTED_QUESTION_SECONDS
    from grader.packages.package import Package
    from grader.packages.worker_pool import WorkerPool
    from grader.seeds import Seeds

    worker_pool, seeds, timeout = WorkerPool(launcher), Seeds(0, "doctor"), TRUSTED_QUESTION_SECONDS
    one, other = (
        Variants(
            exercise,
            seeds,
            lambda name, files: Package(worker_pool, name, files, timeout, trusted=True),
        )
        for _ in range(2)
    )
    for name in exercise.rubric.comparisons:
        yield name, one.agrees_with(other, BY_ID[name])
    worker_pool.close()
