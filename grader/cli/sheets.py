"""``grader sheets``: the grades and the feedback of a cohort, as a learning platform takes them back."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command
from grader.errors import UsageError
from grader.files.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.cli.options import Commands
    from grader.cohort.platforms import Filled
    from grader.hand_ins.read_hand_ins import Delivered
    from grader.result.record import Result

MOST_NAMED: Final = 20  # people in a list
SHEETS: Final = {
    "moodle": "Moodle's grading worksheet (the assignment, Submissions, Download grading worksheet)",
    "canvas": "Canvas's gradebook (Grades, Export Entire Gradebook)",
}
_SUBMISSION: Final = re.compile(r"submission_(\d+)")  # a folder of Gradescope's


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(
        commands,
        "sheets",
        "the grades and the feedback of a cohort, to be uploaded to Moodle, Canvas or Gradescope",
        judges=False,
        only_prints=True,
    )
    command.add_argument("cohort", metavar="DIR", type=Path, help="the directory that `grader cohort -o` wrote")
    command.add_argument(
        "--for",
        dest="platform",
        choices=("moodle", "canvas", "gradescope"),
        required=True,
        help="the platform from which the hand-ins came",
    )
    command.add_argument(
        "--template",
        metavar="FILE",
        type=Path,
        help="the sheet to fill in: Moodle's grading worksheet, or Canvas's exported gradebook",
    )
    command.add_argument(
        "--assignment", metavar="NAME", help="with canvas, the assignment's title or number, where there are several"
    )
    command.add_argument(
        "--submissions",
        metavar="PATH",
        type=Path,
        help="with canvas, what Canvas delivered: copies of it get the verdicts, to be uploaded as comments",
    )
    command.add_argument(
        "-o", "--output", metavar="DIR", type=Path, required=True, help="write what is to be uploaded here"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write what is to be uploaded, and print who got no grade; 1 if somebody did not, else 0."""
    from grader.cohort.store import stored_results
    from grader.files.write import check_free, write_folder

    _check(arguments)
    output: Path = arguments.output
    check_free(output)
    results = dict(stored_results(arguments.cohort))
    if not results:
        raise UsageError(f"nothing was graded in the cohort in {str(arguments.cohort)!r}")
    judged = {folder: result for folder, result in results.items() if result.judged}
    unjudged = [result.candidate.name for result in results.values() if not result.judged]
    if not judged:
        raise UsageError(f"no one in the cohort in {str(arguments.cohort)!r} could be judged on every item")
    files, left_out = _files(arguments, judged)
    write_folder(output, files)
    _name("not on every item judged, and given no grade", unjudged)
    for name in files:
        sys.stdout.write(f"Written: {one_line(str(output / name))}\n")
    return 1 if unjudged or left_out else 0


def _check(arguments: argparse.Namespace) -> None:
    """Complain about what does not go together."""
    platform, template = arguments.platform, arguments.template
    if arguments.assignment is not None and platform != "canvas":
        raise UsageError("--assignment goes with --for canvas")
    if arguments.submissions is not None and platform != "canvas":
        raise UsageError("--submissions goes with --for canvas")
    if platform == "canvas" and template is None and arguments.submissions is None:
        raise UsageError("--for canvas needs --template, the CSV of Grades > Export, or --submissions, or both")
    if platform == "gradescope" and template is not None:
        raise UsageError("--template goes with moodle and canvas; Gradescope takes no sheet of grades")


def _files(arguments: argparse.Namespace, judged: "dict[str, Result]") -> "tuple[dict[str, bytes], bool]":
    """What is to be uploaded, by file name, and whether somebody was left out."""
    from grader.cohort import platforms

    if arguments.platform == "gradescope":
        numbered = {found[1]: result for name, result in judged.items() if (found := _SUBMISSION.fullmatch(name))}
        others = [one_line(result.candidate.name) for name, result in judged.items() if not _SUBMISSION.fullmatch(name)]
        if not numbered:
            raise UsageError(
                "no hand-in of this cohort is called submission_NUMBER; expected one of a Gradescope export"
            )
        _name("not from a Gradescope export", others)
        return {"autograder.zip": platforms.gradescope_autograder(numbered)}, bool(others)
    files: dict[str, bytes] = {}
    left_out = False
    if arguments.template is not None:
        filled, left_out = _filled(arguments, judged)
        files["grades.csv"] = filled.data
    else:
        left_out = True
        sys.stdout.write(f"No grade was written, for there is no --template: expected {SHEETS[arguments.platform]}.\n")
    if arguments.platform == "moodle":
        files["feedback.zip"] = platforms.moodle_feedback(judged.values())
    elif arguments.submissions is not None:
        people = {result.candidate.name: result for result in judged.values()}
        delivered = _delivered(arguments.submissions)
        without = [person for person in people if person not in delivered]
        if len(without) == len(people):
            raise UsageError(
                f"{str(arguments.submissions)!r} holds no model.py and no .zip of anyone who was graded; expected what "
                "Canvas delivered"
            )
        _name("without a model.py or a .zip to comment on", without)
        files["feedback.zip"] = platforms.canvas_feedback(people, delivered)
        left_out = left_out or bool(without)
    return files, left_out


def _delivered(path: Path) -> "dict[str, Delivered]":
    """What Canvas delivered, by person."""
    from contextlib import ExitStack

    from grader.hand_ins.archives import is_archive
    from grader.hand_ins.read_hand_ins import of_canvas, opened

    with ExitStack() as stack:
        root = opened(path, "expected what Canvas delivered, as a directory or an archive", stack)
        return of_canvas(root, repr(str(path)), stack, is_packed=is_archive(path.name))


def _filled(arguments: argparse.Namespace, judged: "dict[str, Result]") -> "tuple[Filled, bool]":
    """The template with its grades, and what is to be said of it on the way."""
    from grader.cohort.platforms import Grade, fill_canvas, fill_moodle, scaling
    from grader.files.read_untrusted import Directory, Refused
    from grader.limits import GRADE_SHEET_MAX_BYTES
    from grader.report.verdict import verdict
    from grader.report.words import number
    from grader.result.audience import for_audience
    from grader.result.record import Audience

    path: Path = arguments.template
    try:
        with Directory(path.resolve().parent) as parent:
            template = parent.read(path.resolve().name, GRADE_SHEET_MAX_BYTES + 1)
    except Refused as reason:
        raise UsageError(f"cannot read {str(path)!r}: {reason}") from None
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if len(template) > GRADE_SHEET_MAX_BYTES:
        raise UsageError(f"{str(path)!r} has more than {GRADE_SHEET_MAX_BYTES} bytes; expected a sheet of grades")
    grades: dict[str, Grade] = {}
    for folder, result in judged.items():
        seen = for_audience(result, Audience.LEARNER)  # as much as the exercise shows a learner
        grades[folder] = Grade(
            title=result.candidate.name,
            score=result.score,
            max_score=result.max_score,
            said=f"{number(seen.score)} of {number(seen.max_score)} points. {verdict(seen)}",
        )
    if arguments.platform == "moodle":
        filled = fill_moodle(template, grades.values())
    else:
        filled = fill_canvas(template, grades.values(), arguments.assignment)
    if not filled.written:
        raise UsageError(
            f"none of the {len(grades)} graded is in {str(path)!r}; expected the sheet of the assignment that was "
            "handed in"
        )
    note = scaling(grades.values(), filled.maximum)
    plural = "s" if len(filled.written) != 1 else ""
    sys.stdout.write(f"{len(filled.written)} grade{plural} written{f', {note} points' if note else ''}\n")
    _name("in the sheet without a grade, left as they were", filled.blank)
    _name("graded, and not in the sheet or locked there", filled.elsewhere)
    return filled, bool(filled.elsewhere)


def _name(what: str, people: "Sequence[str]") -> None:
    if people:
        sys.stdout.write(f"{len(people)} {what}:\n")
    for person in people[:MOST_NAMED]:
        sys.stdout.write(f"  {one_line(person)[:100]}\n")
    if len(people) > MOST_NAMED:
        sys.stdout.write(f"  and {len(people) - MOST_NAMED} more\n")
