"""``grader grade``: grade a directory, print the verdict, write what was asked for."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli import outputs
from grader.cli.exercises import (
    Choice,
    chosen_exercise,
    exercise_to_grade,
    note_on_another_starter,
    reference_directory,
)
from grader.cli.progress import Progress
from grader.errors import CannotJudge, UsageError
from grader.files.printable import one_line
from grader.hand_ins.read_hand_in import read_hand_in
from grader.isolation_advice import naming_the_way_out
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode

if TYPE_CHECKING:
    from grader.result.record import Result

TIMEOUT: Final = 10.0  # seconds for one question
LONGEST: Final = 60.0  # seconds for a question that a file may ask for; more has to be asked for by a person


def run(
    directory: Path,
    *,
    exercise: Path | None,
    files: Mapping[str, str],
    audience: str | None,
    only: tuple[str, ...],
    seed: int | None,
    thorough: bool,
    isolation: Mode,
    timeout: float | None,
    check: Path | None,
) -> int:
    """Grade and report; the exit code.

    Args:
        files: where each format goes that is asked for, by its name; ``-`` is standard output.
        audience: None for the learner in a workspace that says itself which exercise it is, else for the instructor.
        timeout: None for the usual one, or the recorded one.
        check: a recorded result: is its verdict reached again?
    """
    outputs.check(files)
    recorded = _recorded(check, seed=seed, only=only, thorough=thorough)
    if recorded is not None:
        seed, only, thorough = recorded.environment.seed, recorded.asked.only, recorded.asked.thorough
        timeout = timeout or min(recorded.asked.timeout, LONGEST)
    timeout = timeout or TIMEOUT
    choice = exercise_to_grade(directory, exercise) if directory.is_dir() else Choice(exercise, "", by_workspace=False)
    exercise = choice.exercise
    _say(choice.notes)
    reference = reference_directory(exercise)
    submission = read_hand_in(directory)
    _guard_against_candidates()
    with Launcher(isolation, hidden=[reference]) as launcher:
        # From here on torch is being imported in the launcher, while this process imports its own.
        from grader.cli.history import remember
        from grader.grading.grade import grade
        from grader.grading.options import Options
        from grader.result.audience import for_audience
        from grader.result.record import Audience

        chosen = chosen_exercise(exercise)
        _say(note_on_another_starter(directory, chosen.starter()))
        options = Options(
            only=only,
            seed=seed,
            shared=recorded is not None and recorded.asked.shared,
            thorough=thorough,
            isolation=isolation,
            timeout=timeout,
        )
        with naming_the_way_out(), Progress() as progress:
            result = grade(submission, chosen, options, launcher, progress)
    if choice.by_workspace and recorded is None and audience != Audience.INSTRUCTOR:
        # An instructor who looks at it leaves it as it was handed in.
        _say(remember(directory, submission, result, chosen.starter(), "grade"))
    by_default = Audience.LEARNER if choice.by_workspace and recorded is None else Audience.INSTRUCTOR
    shown = for_audience(result, Audience(audience) if audience is not None else by_default)
    holds = _report(shown, files, choice.told) if recorded is None else _confirm(recorded, result, shown, files)
    if not result.judged:
        return CannotJudge.exit_code
    return 0 if holds else 1


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        sys.stderr.write(f"grader: {one_line(note)}\n")


def _recorded(path: Path | None, *, seed: int | None, only: tuple[str, ...], thorough: bool) -> "Result | None":
    """The result to be confirmed, if one was named; it says itself how it was asked for."""
    if path is None:
        return None
    from grader.cli.results import read_result

    for option, given in (("--seed", seed is not None), ("--only", bool(only)), ("--thorough", thorough)):
        if given:
            raise UsageError(f"{option} with --check; the result to check says how it was graded")
    result = read_result(path)
    if result.environment.seed is None:
        raise UsageError(
            f"{str(path)!r} is a learner's view: it holds no seed, and cannot be checked; expected the instructor's"
        )
    return result


def _report(shown: "Result", files: Mapping[str, str], exercise: str) -> bool:
    """Write and print the verdict; whether it is full marks."""
    from grader.report import render_text
    from grader.report.paint import paint_for

    outputs.write(shown, files, lambda: render_text(shown, paint_for(sys.stdout), exercise))
    return shown.full_marks


def _confirm(recorded: "Result", result: "Result", shown: "Result", files: Mapping[str, str]) -> bool:
    """Write the new result, print how the recorded one compares with it; whether that is confirmed."""
    from grader.report.paint import paint_for
    from grader.report.recheck_text import render_recheck
    from grader.result.recheck import recheck

    found = recheck(recorded, result)
    outputs.write(shown, files, lambda: render_recheck(found, paint_for(sys.stdout)))
    return found.same


def _guard_against_candidates() -> None:
    """Keep this process's memory from other processes of the same user."""
    from grader.sandbox.lock import not_dumpable

    if sys.platform == "linux":
        not_dumpable()
