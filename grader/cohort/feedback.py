"""What people get back, packed as their platform takes it: the learner's copy of each report, never the instructor's.

- Moodle, "Upload multiple feedback files in a zip": a folder for each hand-in, called as Moodle called it.
- Canvas, "Upload submissions": files under the names that Canvas gave to those that were handed in, each of which it
  attaches to that student's submission as a comment. A ``model.py`` goes back with the verdict as comments in front of
  its code, an archive as one with the report in it.
- Gradescope takes no grades and no files from outside. What it takes is an autograder: this one hands out what was
  found here, by the number of the submission that is being graded, and knows neither the exercise nor its solution.
"""

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Final

from grader.hand_ins.assignments import Delivered
from grader.report import render_html, render_text
from grader.report.formats import FORMATS
from grader.result.audience import for_audience
from grader.result.record import Audience, Result

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
