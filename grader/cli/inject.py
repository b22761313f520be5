"""``grader inject``: build a new exercise from a correct GPT, and prove it."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli import INTERRUPTED
from grader.cli.options import add_command, add_isolation, seed_of
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.exercise.key import Reworded
    from grader.injection.build import Built
    from grader.injection.recipe import Recipe

NOT_BUILT: Final = {
    "duplicate": "left out, since a lower seed has the same bugs",
    "impossible": "of which no exercise can be built; the manifest says why",
    "failed": "at which the machine failed; the same command tries them again",
}


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "inject", "plant bugs in a correct GPT: a new exercise, proven sound")
    command.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        type=Path,
        required=True,
        help="the directory to make, with starter/ and reference/ in it; with --seeds the directory of all of them",
    )
    command.add_argument(
        "--from",
        dest="source",
        metavar="REFERENCE",
        type=Path,
        help="a directory with a correct GPT: model.py and train.py that keep the contract, or a model.py of any kind "
        "with an adapter.py that says how it is called (default: the built-in one)",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--bugs", metavar="K", type=int, choices=range(1, 7), default=4, help="how many, 1 to 6 (default 4)"
    )
    which.add_argument(
        "--bug", metavar="OPERATOR", nargs="+", action="extend", default=[], help="these ones; see `grader mutations`"
    )
    command.add_argument(
        "--difficulty",
        choices=("easy", "medium", "hard"),
        help="plant only bugs that are this hard to find: how few checks see them, how little they change, how far "
        "from the line they show (default: any)",
    )
    command.add_argument(
        "--style",
        choices=("plain", "refactored"),
        default="plain",
        help="refactored: draw bugs that come with a refactoring of the lines around them, so that a comparison with "
        "code that one knows does not point at the bug (default plain)",
    )
    command.add_argument(
        "--reword",
        action="store_true",
        help="put the GPT in other words first: other names, order and spelling, proven to compute the same bits",
    )
    seeds = command.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed",
        metavar="N",
        type=seed_of,
        default=0,
        help="which bugs are drawn, and where they go: the same seed builds the same exercise (default 0)",
    )
    seeds.add_argument(
        "--seeds",
        metavar="A-B",
        help="an exercise for each of these seeds, such as 0-999 or 0-9,20, and a manifest; interrupted or killed, the "
        "same command goes on",
    )
    command.add_argument(
        "--jobs", metavar="N", type=_jobs, help="with --seeds, how many are built at a time (default: one a core)"
    )
    command.add_argument(
        "--split",
        choices=("train", "held-out"),
        help="draw bugs of one side of the catalogue alone: no operator that is held out is in an exercise to train on",
    )
    command.add_argument(
        "--held-out",
        metavar="SHARE",
        type=float,
        help="the share of the operators that is held out, above 0 and below 1 (default 0.2)",
    )
    command.add_argument(
        "--keep-extensions",
        action="store_true",
        help="leave cache, classifier and heads built, and plant bugs in them too",
    )
    command.add_argument(
        "--force",
        action="store_true",
        help="if DIR holds an exercise, replace it; anything else that is there is never touched",
    )
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build, prove, write; the exit code."""
    from grader.injection.folder import check_target, write
    from grader.injection.recipe import Recipe, read_reference
    from grader.preconditions import naming_the_way_out
    from grader.report.terminal import Progress
    from grader.sandbox.client import Launcher

    recipe = Recipe(
        seed=arguments.seed,
        bugs=arguments.bugs,
        operators=tuple(arguments.bug),
        difficulty=arguments.difficulty,
        keep_extensions=arguments.keep_extensions,
        split=arguments.split,
        **({} if arguments.held_out is None else {"held_out": arguments.held_out}),
        style=arguments.style,
        reword=arguments.reword,
    )
    _check_together(arguments)
    if arguments.seeds is not None:
        return _run_bulk(arguments, recipe)
    directory: Path = arguments.output
    check_target(directory, force=arguments.force, replacing="--force")
    hidden, reference = read_reference(arguments.source)
    with naming_the_way_out(), Launcher(arguments.isolation, hidden=[hidden]) as launcher:
        from grader.injection.build import build

        with Progress() as progress:
            built = build(recipe, reference, launcher, progress)
        write(built, directory)
    sys.stdout.write(description(built, directory))
    return 0


def _check_together(arguments: argparse.Namespace) -> None:
    """Raises ``UsageError`` for options of which one says nothing without the other, or against it."""
    if arguments.held_out is not None and arguments.split is None:
        raise UsageError(f"--held-out {arguments.held_out:g} says nothing without --split train or --split held-out")
    if arguments.seeds is None and arguments.jobs is not None:
        raise UsageError(f"--jobs {arguments.jobs} says nothing without --seeds")
    if arguments.seeds is not None and arguments.force:
        raise UsageError("--force with --seeds; a bulk that is there is gone on with, and nothing else is replaced")


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:5]) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1024")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_bulk(arguments: argparse.Namespace, recipe: "Recipe") -> int:
    """Build what is not built yet; 0, 1 when a seed gives nothing, or 3 when the machine failed at one."""
    from grader.injection.bulk import Bulk, Plan
    from grader.injection.manifest import Entry, counts
    from grader.injection.recipe import read_reference, seeds_named
    from grader.preconditions import naming_the_way_out
    from grader.report.terminal import Progress

    seeds = seeds_named(arguments.seeds)
    hidden, reference = read_reference(arguments.source)
    plan = Plan(recipe=recipe, reference=reference, hidden=hidden, isolation=arguments.isolation)
    done = 0
    with naming_the_way_out(), Bulk(arguments.output, plan) as bulk:
        left = len(bulk.left(seeds))
        try:
            with Progress() as progress:
                progress(f"{left} seed{'s' if left != 1 else ''} to build, {len(seeds) - left} built before")

                def tell(entry: Entry) -> None:
                    nonlocal done
                    done += 1
                    said = ", ".join(entry.operators) if entry.status == "built" else entry.status
                    progress.counted(done, left, f"seed {entry.seed}: {said}", "")

                bulk.build(seeds, arguments.jobs or _cores(), tell)
        except KeyboardInterrupt:
            kept = f"{done} built and kept, {left - done} left"
            sys.stderr.write(f"\ngrader: interrupted; {kept}; the same command goes on\n")
            return INTERRUPTED
        entries = [bulk.manifest.entries[seed] for seed in seeds]
    found = counts(entries)
    sys.stdout.write(f"{found['built']} exercises of {len(seeds)} seeds\n")
    for status, what in NOT_BUILT.items():
        of = [entry for entry in entries if entry.status == status]
        if of:
            sys.stdout.write(f"  {len(of)} {what}: {one_line(', '.join(str(entry.seed) for entry in of[:10]))}")
            sys.stdout.write(", ...\n" if len(of) > 10 else "\n")
    sys.stdout.write(f"Written: {one_line(str(arguments.output / 'manifest.jsonl'))}\n")
    return CannotJudge.exit_code if found["failed"] else 1 if found["impossible"] else 0


def description(built: "Built", directory: Path) -> str:
    """What was built, for a terminal: the bugs, what was passed over and why, the proof, and where it lies."""
    from msgspec import UNSET

    from grader.injection.fit import in_one_line

    exercise = built.exercise
    certificate = exercise.key.certificate
    assert certificate is not None
    lines = [f"{exercise.rubric.title} ({exercise.rubric.id})", ""]
    for bug in exercise.key.bugs:
        assert bug.difficulty is not None
        lines.append(f"  {bug.item}  {bug.operator} ({bug.category}), {bug.difficulty.bucket}")
        lines.append(f"         {bug.file}, seen by {', '.join(bug.killed_by)}")
        if bug.without_the_bug is not None:
            lines.append("         with a refactoring that alone computes the same, bit by bit")
    if exercise.key.reworded is not UNSET:
        lines += ["", in_other_words(exercise.key.reworded)]
    if built.rejected:
        lines += ["", "Drawn too, and passed over:"]
        lines += [f"  {mutant}: {reason}" for mutant, reason in built.rejected]
    if built.fit is not None:
        lines += ["", one_line(f"{in_one_line(built.fit)}.")]
    if built.left_out:
        lines += ["", f"Not asked, since the reference does not pass it itself: {', '.join(built.left_out)}"]
    where = one_line(str(directory))
    lines += [
        "",
        f"Proven: all {len(certificate.rows)} subsets of the bugs are graded as they should be.",
        f"Written: {where}",
        f"  {where}/starter    for the learner",
        f"  {where}/reference  for the grader",
    ]
    return "".join(f"{line}\n" for line in lines)


def in_other_words(record: "Reworded") -> str:
    """How far a reworded text is from the one that it was."""
    return (
        f"In other words: {record.lines:.0%} of the lines of code are as they were; alike {record.tokens:.2f} "
        "by the measure of near copies, to which names are equal."
    )
