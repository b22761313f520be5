"""``grader grade``: grade a directory, print the verdict, write what was asked for."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from grader.commands.exercises import reference_directory
from grader.commands.progress import Progress
from grader.errors import CannotJudge, UsageError
from grader.files import check_writable, write_atomically
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode
from grader.sandbox.errors import NotIsolated
from grader.submission import read_submission

if TYPE_CHECKING:
    from grader.record import Result


def run(
    directory: Path,
    *,
    exercise: Path | None,
    html: Path | None,
    json: str | None,
    audience: str,
    only: tuple[str, ...],
    seed: int | None,
    thorough: bool,
    isolation: Mode,
    timeout: float,
    check: Path | None,
) -> int:
    """Grade and report; the exit code. With ``check``, whether the verdict recorded there is reached again."""
    outputs = [path for path in (html, Path(json) if json not in (None, "-") else None) if path is not None]
    for path in outputs:
        check_writable(path)
    if len(outputs) == 2 and outputs[0].resolve() == outputs[1].resolve() and not outputs[0].is_char_device():
        raise UsageError(f"--html and --json both name {str(html)!r}; one would overwrite the other")
    recorded = _recorded(check, seed=seed, only=only, thorough=thorough)
    if recorded is not None:
        seed, only, thorough = recorded.environment.seed, recorded.asked.only, recorded.asked.thorough
    reference = reference_directory(exercise)
    submission = read_submission(directory)
    _guard_against_candidates()
    with Launcher(isolation, hidden=[reference]) as launcher:
        # From here on torch is being imported in the launcher, while this process imports its own.
        from grader.audience import for_audience
        from grader.exercise import builtin_exercise, read_exercise
        from grader.grade import Options, grade
        from grader.record import Audience

        chosen = builtin_exercise() if exercise is None else read_exercise(exercise)
        options = Options(only=only, seed=seed, thorough=thorough, isolation=isolation, timeout=timeout)
        try:
            with Progress() as progress:
                result = grade(submission, chosen, options, launcher, progress)
        except CannotJudge as error:
            if isinstance(error.__cause__, NotIsolated):
                raise CannotJudge(
                    f"{error}. To grade without isolation, code that you trust: --isolation process"
                ) from error
            raise
    shown = for_audience(result, Audience(audience))
    if recorded is not None:
        return _confirm(recorded, result, shown, html, json)
    _write(shown, html, json)
    if json != "-":
        _print(shown, html, json)
    if not result.judged:
        return CannotJudge.exit_code
    return 0 if result.full_marks else 1


def _recorded(path: Path | None, *, seed: int | None, only: tuple[str, ...], thorough: bool) -> "Result | None":
    """The result to be confirmed, if one was named; it says itself how it was asked for."""
    if path is None:
        return None
    from grader.commands.results import read_result

    for option, given in (("--seed", seed is not None), ("--only", bool(only)), ("--thorough", thorough)):
        if given:
            raise UsageError(f"{option} with --check; the result to check says how it was graded")
    result = read_result(path)
    if result.environment.seed is None:
        raise UsageError(
            f"{str(path)!r} is a learner's view: it holds no seed, and cannot be checked; expected the instructor's"
        )
    return result


def _confirm(recorded: "Result", result: "Result", shown: "Result", html: Path | None, json: str | None) -> int:
    """Write the new result where it was asked for; print whether it confirms the recorded one."""
    from grader.recheck import recheck
    from grader.report.recheck_text import render_recheck

    found = recheck(recorded, result)
    _write(shown, html, json)
    if json != "-":
        sys.stdout.write(render_recheck(found))
    if not result.judged:
        return CannotJudge.exit_code
    return 0 if found.same else 1


def _write(result: "Result", html: Path | None, json: str | None) -> None:
    from grader.record import to_json
    from grader.report import render_html

    # The record first: should drawing the report fail, the verdict is not lost.
    if json not in (None, "-"):
        write_atomically(Path(json), to_json(result))
    if html is not None:
        write_atomically(html, render_html(result).encode())
    if json == "-":
        sys.stdout.buffer.write(to_json(result))
        sys.stdout.buffer.flush()


def _print(result: "Result", html: Path | None, json: str | None) -> None:
    from grader.report import render_text

    sys.stdout.write(render_text(result))
    for path in (html, json):
        if path is not None:
            sys.stdout.write(f"Written: {path}\n")


def _guard_against_candidates() -> None:
    """Keep this process's memory from other processes of the same user."""
    from grader.sandbox.lock import not_dumpable

    if sys.platform == "linux":
        not_dumpable()
