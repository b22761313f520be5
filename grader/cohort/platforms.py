"""What goes back to learning platforms: the grades of a cohort in their sheets, and what people get to read.

A sheet is one that the platform has exported, filled in to be uploaded again: the grades in the one column that is
meant, and everything else as it was.

- Moodle's offline grading worksheet: a row is a participant of one assignment, ``Participant 12345`` in the column
  Identifier, and the number is that in the name of the hand-in. Moodle reads the columns by their names, takes grades
  up to Maximum Grade and skips others.
- Canvas's gradebook: a row is a student with the number of the column ID, which is that in the name of the hand-in; a
  column is an assignment, ``Title (4567)``; a row before the students has the points possible. An import changes what
  differs from the gradebook, so that only the columns about students and the one assignment are written.

People are matched by the platform's own numbers alone: a name is never guessed.

What they get is the learner's copy of each report, never the instructor's, packed as their platform takes it.

- Moodle, "Upload multiple feedback files in a zip": a folder for each hand-in, called as Moodle called it.
- Canvas, "Upload submissions": files under the names that Canvas gave to those that were handed in, each of which it
  attaches to that student's submission as a comment. A ``model.py`` goes back with the verdict as comments in front of
  its code, an archive as one with the report in it.
- Gradescope takes no grades and no files from outside. What it takes is an autograder: this one hands out what was
  found here, by the number of the submission that is being graded, and knows neither the exercise nor its solution.
"""

import csv
import html
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grader.errors import UsageError
from grader.hand_ins.read_hand_ins import Delivered
from grader.report import render_html, render_text
from grader.report.formats import FORMATS
from grader.result.audience import for_audience
from grader.result.record import Audience, Result

BOM: Final = "\ufeff"
DECIMALS: Final = 2  # both platforms round to as many
_NUMBER_OF_HAND_IN: Final = re.compile(r".+_(\d+)", re.DOTALL)  # "Ann Lee_12345" of Moodle, "leeann_123" of Canvas
_ASSIGNMENT: Final = re.compile(r"(.*)\s\((\d+)\)", re.DOTALL)  # a column of Canvas's
_SHOWN: Final = 8  # names in a message
FEEDBACK: Final = "feedback.html"
BEGINNING: Final = (
    1980,
    1,
    1,
    0,
    0,
    0,
)  # the first that a zip archive can say: the same bytes each time
_RUNNABLE: Final = 0o755 << 16
_PLAIN: Final = 0o644 << 16
SETUP: Final = """\
#!/usr/bin/env bash
# All that is needed is Python 3, which most of Gradescope's images have.
command -v python3 >/dev/null || { apt-get update && apt-get install -y python3; }
"""
RUN_AUTOGRADER: Final = '''\
#!/usr/bin/env python3
"""Hands out what was found elsewhere for this very submission; grades nothing."""

import json
import os
import shutil
from pathlib import Path

ROOT = Path(os.environ.get("AUTOGRADER_ROOT", "/autograder"))
NONE = {
    "score": 0,
    "output": "Not graded yet: this 0 is no verdict on your code. Your instructor grades what was handed in elsewhere "
    "and uploads the grades here; this submission came in after that, or could not be judged.",
    "output_format": "text",
    "visibility": "visible",
    "stdout_visibility": "hidden",
}

number = json.loads((ROOT / "submission_metadata.json").read_text("utf-8"))["id"]
there = ROOT / "source" / "results" / f"{int(number)}.json"
(ROOT / "results").mkdir(exist_ok=True)
if there.is_file():
    shutil.copyfile(there, ROOT / "results" / "results.json")
else:
    print(f"no result for submission {number}")
    (ROOT / "results" / "results.json").write_text(json.dumps(NONE), "utf-8")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A candidate's points, to be written into a sheet.

    Attributes:
        title: what the platform calls the hand-in.
        said: the verdict in one sentence.
    """

    title: str
    score: float
    max_score: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A sheet with its grades.

    Attributes:
        maximum: the points that the platform counts to; grades are scaled to it.
        written: the titles of those whose grade is in it.
        blank: people of the sheet that no grade is there for: what they had is left as it was.
        elsewhere: the titles of those who are graded and not in the sheet, or whose grade is locked there.
    """

    data: bytes
    maximum: float
    written: tuple[str, ...]
    blank: tuple[str, ...]
    elsewhere: tuple[str, ...]


def fill_moodle(template: bytes, grades: Iterable[Grade]) -> Filled:
    """The worksheet that Moodle's assignment offers as "Download grading worksheet", in English.

    Feedback comments get the verdict where there is none yet.

    Raises:
        UsageError: it is no such worksheet, or what it grades by are no points.
    """
    sheet = _Sheet.read(template, lambda row: "Identifier" in row, "Moodle's grading worksheet", "Identifier, Grade")
    identifier, grade, most = (sheet.column(name) for name in ("Identifier", "Grade", "Maximum Grade"))
    comments = sheet.optional("Feedback comments")
    changeable = sheet.optional("Grade can be changed")
    maxima = {row[most].strip() for row in sheet.rows}
    maximum = _one_maximum(maxima)
    waiting = _by_number(grades)
    written, blank, locked = [], [], []
    for row in sheet.rows:
        number = re.fullmatch(r"\D*(\d+)", row[identifier].strip())
        found = waiting.pop(number[1], None) if number else None
        if found is None:
            blank.append(_called(row, sheet.optional("Full name"), identifier))
        elif changeable is not None and row[changeable].strip().lower() == "no":
            locked.append(found.title)
        else:
            row[grade] = _scaled(found, maximum)
            if comments is not None and not row[comments].strip():
                row[comments] = html.escape(found.said)
            written.append(found.title)
    left = (*locked, *(each.title for each in waiting.values()))
    return Filled(
        data=sheet.written(), maximum=maximum, written=tuple(written), blank=tuple(blank), elsewhere=left
    )  # fmt: skip


def fill_canvas(template: bytes, grades: Iterable[Grade], assignment: str | None) -> Filled:
    """The gradebook that Canvas exports.

    Args:
        assignment: the title or the number of the assignment's column; None where there is only one.

    Raises:
        UsageError: it is no such gradebook, or it is not clear which column is meant.
    """
    sheet = _Sheet.read(template, _is_canvas, "the gradebook that Canvas exports", "Student, ID, Section")
    about_people = sheet.column("Section") + 1
    at = _assignment_column(sheet.head, about_people, assignment)
    identifier = sheet.column("ID")
    possible = next((row for row in sheet.rows if "Points Possible" in row[0]), None)
    if possible is None:
        raise UsageError("this gradebook has no row 'Points Possible'; expected the CSV as Canvas exports it")
    if "read only" in possible[at]:
        raise UsageError(f"Canvas computes the column {sheet.head[at]!r}; name an assignment's with --assignment")
    maximum = _one_maximum({possible[at].strip()})
    waiting = _by_number(grades)
    written, blank = [], []
    for row in sheet.rows:
        if row is possible or not row[identifier].strip():
            continue  # points, how grades are posted, Canvas's own test student
        found = waiting.pop(row[identifier].strip(), None)
        if found is None:
            blank.append(_called(row, 0, identifier))
        else:
            row[at] = _scaled(found, maximum)
            written.append(found.title)
    kept = [*range(about_people), at]
    return Filled(
        data=sheet.written(kept),
        maximum=maximum,
        written=tuple(written),
        blank=tuple(blank),
        elsewhere=tuple(each.title for each in waiting.values()),
    )


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A CSV file of a platform's."""

    head: list[str]
    rows: list[list[str]]
    delimiter: str
    has_mark: bool
    what: str

    @classmethod
    def read(cls, data: bytes, is_head: Callable[[Sequence[str]], bool], what: str, columns: str) -> "_Sheet":
        """The sheet, its columns parted by commas, semicolons or tabs."""
        expected = f"expected {what} as CSV in UTF-8, with the columns {columns}"
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"the template is not UTF-8 ({error.reason} at byte {error.start}); {expected}") from None
        has_mark = text.startswith(BOM)
        for delimiter in ",;\t":
            try:
                rows = list(csv.reader(io.StringIO(text.removeprefix(BOM)), delimiter=delimiter, strict=True))
            except csv.Error:
                continue
            if rows and is_head(rows[0]):
                found = [row for row in rows[1:] if row]
                if odd := next((number for number, row in enumerate(found, 2) if len(row) != len(rows[0])), 0):
                    raise UsageError(f"row {odd} of the template has more or fewer columns than the first; {expected}")
                return cls(rows[0], found, delimiter, has_mark, what)
        raise UsageError(f"the template has not the columns of {what}; {expected}")

    def column(self, name: str) -> int:
        """Where the column of this name is. Raises ``UsageError`` where there is none, or two."""
        if self.head.count(name) != 1:
            raise UsageError(
                f"the template has {self.head.count(name)} columns {name!r}; expected {self.what}, with one such column"
            )
        return self.head.index(name)

    def optional(self, name: str) -> int | None:
        """The same; None where there is none."""
        return self.head.index(name) if name in self.head else None

    def written(self, columns: Sequence[int] | None = None) -> bytes:
        """The sheet as it came, or these columns of it."""
        kept = range(len(self.head)) if columns is None else columns
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator="\n")
        writer.writerows([[row[at] for at in kept] for row in (self.head, *self.rows)])
        return f"{BOM * self.has_mark}{out.getvalue()}".encode()


def _is_canvas(head: Sequence[str]) -> bool:
    """Whether this is the first row that Canvas's importer looks for."""
    return "ID" in head[:3] and "Section" in head and head[0] in ("Student", "LastName")


def _assignment_column(head: Sequence[str], first: int, asked: str | None) -> int:
    """The column that is meant, of those that are an assignment's."""
    found = {at: match for at in range(first, len(head)) if (match := _ASSIGNMENT.fullmatch(head[at])) is not None}
    meant = [at for at, match in found.items() if asked is None or asked in (head[at], match[1], match[2])]
    if len(meant) == 1:
        return meant[0]
    there = ", ".join(repr(head[at]) for at in list(found)[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
    if asked is None:
        raise UsageError(f"this gradebook has {len(found)} assignments; name one with --assignment: {there or 'none'}")
    raise UsageError(f"--assignment {asked!r} names {len(meant)} columns of this gradebook; it has {there or 'none'}")


def _one_maximum(texts: set[str]) -> float:
    """The points that a grade is out of; the decimal point may be a comma."""
    try:
        (text,) = texts
        maximum = float(text.replace(",", "."))
    except ValueError:
        shown = ", ".join(map(repr, sorted(texts)[:_SHOWN])) or "nothing"
        raise UsageError(f"the sheet's maximum is {shown}; expected one number of points, not a scale") from None
    if not 0 < maximum < float("inf"):
        raise UsageError(f"the sheet's maximum is {text!r}; expected a number of points above 0")
    return maximum


def _by_number(grades: Iterable[Grade]) -> dict[str, Grade]:
    """By the platform's number in the title; what has none keeps its title, which is no person's number.

    Raises:
        UsageError: two hand-ins have one number.
    """
    found: dict[str, Grade] = {}
    for grade in grades:
        match = _NUMBER_OF_HAND_IN.fullmatch(grade.title)
        key = match[1] if match else f"?{grade.title}"
        if (other := found.setdefault(key, grade)) is not grade:
            raise UsageError(f"{other.title!r} and {grade.title!r} have one number; expected one hand-in of each")
    return found


def _scaled(grade: Grade, maximum: float) -> str:
    """The grade as both platforms read it, whatever their language: with a point. Never rounded up to full marks."""
    points = grade.score if grade.max_score == maximum else grade.score / grade.max_score * maximum
    step = 10**DECIMALS
    return f"{int(points * step + 1e-6) / step:.{DECIMALS}f}"


def _called(row: Sequence[str], name: int | None, identifier: int) -> str:
    return f"{row[name]} ({row[identifier]})" if name is not None else row[identifier]


def scaling(grades: Iterable[Grade], maximum: float) -> str:
    """What was done to the points, in words; empty where nothing was."""
    others = sorted({grade.max_score for grade in grades} - {maximum})
    return f"scaled from {', '.join(f'{most:g}' for most in others)} to {maximum:g}" if others else ""


def moodle_feedback(results: Iterable[Result]) -> bytes:
    """A zip archive with a report for each, in the folder from which it was handed in."""
    return _packed(
        {
            f"{result.candidate.name}_assignsubmission_file_/{FEEDBACK}": render_html(
                for_audience(result, Audience.LEARNER)
            ).encode()
            for result in results
        }
    )


def canvas_feedback(results: Mapping[str, Result], files: Mapping[str, Delivered]) -> bytes:
    """A zip archive with a file for each of ``results`` that is among ``files``, both by person."""
    packed = {}
    for person, result in results.items():
        if (file := files.get(person)) is None:
            continue
        seen = for_audience(result, Audience.LEARNER)
        if file.text is None:
            packed[file.name] = _packed({FEEDBACK: render_html(seen).encode()})
        else:
            said = "".join(f"# {line}".rstrip() + "\n" for line in render_text(seen).splitlines())
            packed[file.name] = f"{said}\n".encode() + file.text
    return _packed(packed)


def gradescope_autograder(results: Mapping[str, Result]) -> bytes:
    """A zip archive to be uploaded as the assignment's autograder.

    Args:
        results: by the number of the submission.
    """
    files = {"setup.sh": SETUP.encode(), "run_autograder": RUN_AUTOGRADER.encode()}
    return _packed(
        files | {f"results/{number}.json": FORMATS["gradescope"](result) for number, result in results.items()}
    )


def _packed(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, BEGINNING)
            entry.external_attr = _RUNNABLE if data.startswith(b"#!") else _PLAIN
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return written.getvalue()
