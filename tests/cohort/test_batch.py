"""JSONL in, JSONL out: what a line may be, what is written of it, and how an interrupted run goes on."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from grader.cohort.batch import Batch, Counts, ResultsFile
from grader.cohort.pool import Backend, Graded, NotGraded, Setup, Task
from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.files.digest import grader_digest
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.jobs import About, Asked
from grader.limits import BATCH_LINE_MAX_BYTES
from grader.result.lines import ErrorKind, ResultLine, read_result_line
from grader.result.record import Result, to_json
from grader.sandbox.client import Launcher
from grader.submission.read import Submission, submission_of

ROOT = Path(__file__).resolve().parents[2]
ONLY = ("projection",)
OPTIONS = Options(only=ONLY, followups=False, explain=False)
FILES = {"model.py": "pass\n", "train.py": "pass\n"}


@pytest.fixture(scope="module")
def result(exercise: Exercise, launcher: Launcher) -> Result:
    """What grading the reference does come to."""
    submission = submission_of("ref", exercise.reference)
    return Session(exercise, launcher, Keep.NOTHING).grade(submission, Options(only=ONLY, explain=False))


class Answering:
    """In place of jobs: the reference's result, of whatever was asked; what is called "fails" gets none."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.asked: list[str] = []

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        for each in asked:
            submission, options = each.task.submission, each.task.options
            assert options is not None
            self.asked.append(submission.name)
            if submission.name == "fails":
                yield each.about, NotGraded(reason="no memory")
            else:
                yield each.about, Graded(result=to_json(self._of(submission, options)), report=b"", seconds=0.5)

    def _of(self, submission: Submission, options: Options) -> Result:
        candidate = replace(
            self.result.candidate,
            name=submission.name,
            sha256=submission.sha256,
            tests_sha256=submission.tests_sha256,
        )
        asked = replace(
            self.result.asked,
            only=options.only,
            followups=options.followups,
            thorough=options.thorough,
            timeout=float(options.timeout),
            shared=options.shared,
        )
        environment = replace(self.result.environment, seed=1 if options.seed is None else options.seed)
        integrity = replace(self.result.integrity, grader=grader_digest())
        return replace(self.result, candidate=candidate, asked=asked, environment=environment, integrity=integrity)


@pytest.fixture
def answering(result: Result) -> Answering:
    return Answering(result)


Run = Callable[..., Counts]


@pytest.fixture
def run(exercise: Exercise, answering: Answering, tmp_path: Path) -> Run:
    """``run([line, ...], resume=True)``: a batch of these lines, objects or bytes, into ``out.jsonl``."""

    def run(lines: Iterable[object], *, resume: bool = False, options: Options = OPTIONS) -> Counts:
        source = tmp_path / "in.jsonl"
        source.write_bytes(
            b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        )

        def backend(_: Setup) -> AbstractContextManager[Backend]:
            return contextlib.nullcontext(answering)

        with source.open("rb") as file, ResultsFile(tmp_path / "out.jsonl", resume=resume) as results:
            return Batch(file, tmp_path, exercise, options, results).run(backend, lambda _: None)

    return run


@pytest.fixture
def written(tmp_path: Path) -> Callable[[], list[ResultLine]]:
    """The lines of ``out.jsonl``."""
    return lambda: [read_result_line(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]


Written = Callable[[], list[ResultLine]]


def inline(id: str, **more: object) -> dict[str, object]:
    return {"id": id, "files": {**FILES, "model.py": f"# {id}\n"}, **more}


def test_a_line_has_its_verdict_and_what_it_takes_to_reach_it_again(run: Run, written: Written, result: Result) -> None:
    counts = run([inline("a"), inline("b", seed=7, options={"only": [], "timeout": 3})])
    first, second = written()

    assert (counts.judged, counts.errors.total()) == (2, 0)
    assert (first.id, first.line, first.reward, first.score, first.error) == ("a", 1, 1.0, 15.0, None)
    assert [(item.id, item.status, item.score) for item in first.items] == [("projection", "fixed", 15.0)]
    assert first.origin is not None
    assert first.origin.asked.only == ONLY
    assert second.origin is not None
    assert (second.origin.seed, second.origin.asked.only, second.origin.asked.timeout) == (7, (), 3.0)
    assert first.origin.submission != second.origin.submission
    assert first.origin.exercise == result.exercise.id


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        (b"\xff\xfe{}\n", ErrorKind.LINE, "not a submission: JSON is malformed"),
        (b"[1, 2\n", ErrorKind.LINE, "not a submission"),
        (b"[" * 100_000 + b"\n", ErrorKind.LINE, "not a submission"),
        (b'"' + b"x" * (BATCH_LINE_MAX_BYTES + 7) + b'"\n', ErrorKind.LINE, "longer than 8 MiB"),
        ({"files": FILES}, ErrorKind.LINE, "missing required field `id`"),
        ({"id": 7, "files": FILES}, ErrorKind.LINE, r"Expected `str`, got `int` - at `\$.id`"),
        ({"id": "", "files": FILES}, ErrorKind.LINE, "length >= 1"),
        ({"id": "x\u202ey", "files": FILES}, ErrorKind.LINE, "expected printable characters"),
        ({"id": "x"}, ErrorKind.LINE, "neither of 'path' and 'files'"),
        ({"id": "x", "files": FILES, "path": "x"}, ErrorKind.LINE, "both of 'path' and 'files'"),
        ({"id": "x", "files": FILES, "pth": "x"}, ErrorKind.LINE, "unknown field `pth`"),
        ({"id": "x", "files": FILES, "seed": -1}, ErrorKind.LINE, r"at `\$.seed`"),
        ({"id": "x", "files": FILES, "options": {"timeout": 0}}, ErrorKind.LINE, r"at `\$.options.timeout`"),
        ({"id": "x", "files": FILES, "options": {"only": ["maskin"]}}, ErrorKind.LINE, "no such item: 'maskin'"),
        ({"id": "x", "files": {"../x.py": "", **FILES}}, ErrorKind.SUBMISSION, r"the name '\.\./x\.py'"),
        ({"id": "x", "files": {"/etc/x.py": "", **FILES}}, ErrorKind.SUBMISSION, "the name '/etc/x.py'"),
        ({"id": "x", "files": {"..\\x.py": "", **FILES}}, ErrorKind.SUBMISSION, "expected plain names"),
        ({"id": "x", "files": {"train.py": ""}}, ErrorKind.SUBMISSION, "no model.py in the files given"),
        ({"id": "x", "path": "absent"}, ErrorKind.SUBMISSION, "no such directory"),
        ({"id": "x", "path": "a\0b"}, ErrorKind.SUBMISSION, "expected a directory or an archive"),
        ({"id": "fails", "files": FILES}, ErrorKind.NOT_JUDGED, "no memory"),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_is_answered_by_a_line_and_ends_nothing(
    line: object, kind: ErrorKind, message: str, run: Run, written: Written, tmp_path: Path
) -> None:
    before = set(tmp_path.parent.iterdir())
    counts = run([line, inline("after")])
    refused, after = written()

    assert refused.error is not None
    assert refused.error.kind is kind
    assert re.search(message, refused.error.message) is not None
    assert (refused.line, refused.reward, refused.origin) == (1, None, None)
    assert (after.id, after.line, after.reward) == ("after", 2, 1.0)
    assert (counts.judged, dict(counts.errors)) == (1, {kind: 1})
    assert (refused.id is None) == (kind is ErrorKind.LINE)
    assert set(tmp_path.parent.iterdir()) == before
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(
    "other",
    [
        lambda result: replace(result, candidate=replace(result.candidate, sha256="0" * 64)),
        lambda result: replace(result, asked=replace(result.asked, thorough=True)),
        lambda result: replace(result, integrity=replace(result.integrity, grader="0" * 64)),
        lambda result: replace(result, environment=replace(result.environment, seed=8)),
    ],
    ids=["submission", "questions", "grader", "seed"],
)
def test_the_result_of_anything_else_is_no_verdict(
    other: Callable[[Result], Result], run: Run, written: Written, answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = answering._of
    monkeypatch.setattr(answering, "_of", lambda *asked: other(of(*asked)))
    run([inline("a", seed=7)])
    (line,) = written()

    assert line.error is not None
    assert line.error.kind is ErrorKind.NOT_JUDGED
    assert "the result of another submission" in line.error.message


def test_an_id_is_taken_once(run: Run, written: Written, answering: Answering) -> None:
    run([inline("a"), inline("a", seed=7)])
    first, second = written()

    assert answering.asked == ["a"]
    assert first.id == "a"
    assert (second.id, second.line) == (None, 2)
    assert second.error is not None
    assert "an earlier line has the id 'a' too" in second.error.message


def test_a_path_is_looked_for_beside_the_file_that_names_it(
    run: Run, written: Written, tmp_path: Path, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    for name, text in exercise.reference.items():
        (tmp_path / "there" / name).write_text(text)
    monkeypatch.chdir("/")
    run([{"id": "a", "path": "there"}, {"id": "b", "files": exercise.reference}])
    first, second = written()

    assert first.origin is not None
    assert second.origin is not None
    assert first.origin.submission == second.origin.submission


@pytest.mark.parametrize("torn", [b"", b'{"id":"c","line":3,"rew', b'{"id":"c"'], ids=["between", "in-a-line", "early"])
def test_what_was_killed_goes_on_and_grades_nothing_twice(
    torn: bytes, run: Run, written: Written, answering: Answering, tmp_path: Path
) -> None:
    lines = [inline(name) for name in "abcd"]
    run(lines[:2])
    with (tmp_path / "out.jsonl").open("ab") as file:
        file.write(torn)
    (tmp_path / ".out.jsonl.x8f3").write_bytes(b"what a rewrite has left when it was killed")
    counts = run(lines, resume=True)

    assert answering.asked == list("abcd")
    assert [line.id for line in written()] == list("abcd")
    assert (counts.kept, counts.judged) == (2, 2)
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl"]


def test_what_had_no_verdict_is_tried_again_and_what_has_changed_is_graded_anew(
    run: Run, written: Written, answering: Answering
) -> None:
    run([inline("a"), inline("b"), inline("c"), {"id": "fails", "files": FILES}, b"{\n", {"id": "d"}])
    answering.asked.clear()
    changed = {"id": "b", "files": {**FILES, "model.py": "# other\n"}}
    counts = run([inline("a"), changed, inline("c", options={"thorough": True}), inline("d")], resume=True)

    assert answering.asked == ["b", "c", "d"]
    assert (counts.kept, counts.judged, counts.errors.total()) == (1, 3, 0)
    assert sorted(line.id or "" for line in written()) == ["a", "b", "c", "d"]
    assert run([inline("a"), changed, inline("d")], resume=True).kept == 3


def test_a_seed_that_is_asked_for_is_not_another(run: Run, answering: Answering) -> None:
    run([inline("a", seed=3), inline("b", seed=3), inline("c")])
    answering.asked.clear()
    run([inline("a", seed=3), inline("b", seed=4), inline("c")], resume=True)

    assert answering.asked == ["b"]


def test_shared_questions_go_on_with_their_seed_and_no_line_has_one_of_its_own(
    run: Run, written: Written, tmp_path: Path
) -> None:
    shared = Options(only=ONLY, followups=False, explain=False, shared=True, seed=11)
    run([inline("a"), inline("b", seed=5)], options=shared)
    _, refused = written()
    with ResultsFile(tmp_path / "out.jsonl", resume=True) as results:
        seed = results.shared_seed

    assert seed == 11
    assert refused.error is not None
    assert "all share one" in refused.error.message


def test_a_file_that_holds_something_is_not_written_over(run: Run, tmp_path: Path) -> None:
    run([inline("a")])
    before = (tmp_path / "out.jsonl").read_bytes()
    with pytest.raises(UsageError, match="is not empty; go on with --resume, or name another file"):
        run([inline("a")])

    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_what_is_no_file_of_results_is_not_gone_on_with(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text('{"id": "mine"}\nand more\n')
    with pytest.raises(UsageError, match=r"line 1 of .+ is no result of a batch"):
        run([inline("a")], resume=True)

    assert (tmp_path / "out.jsonl").read_text() == '{"id": "mine"}\nand more\n'


def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with ResultsFile(path, resume=False), pytest.raises(UsageError, match="another run is writing"):
        ResultsFile(path, resume=True)

    assert os.listdir(tmp_path) == ["out.jsonl"]
    assert path.stat().st_mode & 0o077 == 0


def test_lines_are_as_their_schema_says(run: Run, tmp_path: Path) -> None:
    schema = json.loads((ROOT / "docs" / "batch.schema.json").read_text("utf-8"))

    def problems(name: str, data: Any) -> list[str]:
        validator = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{name}"})
        return [error.message for error in validator.iter_errors(data)]

    given = [
        inline("a", seed=1, options={"only": ["masking"]}),
        {"id": "b", "path": "x"},
        {"id": "fails", "files": FILES},
    ]
    run(given)

    assert [problems("AttemptLine", line) for line in given] == [[], [], []]
    assert problems("AttemptLine", {"id": "x"}) != []
    assert problems("AttemptLine", {"id": "x", "path": "x", "files": {}}) != []
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [problems("ResultLine", json.loads(line)) for line in lines] == [[], [], []]


@pytest.mark.slow  # what a signal and a kill leave behind is seen of whole processes alone
@pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's")
def test_a_batch_that_is_interrupted_and_killed_is_gone_on_with(exercise: Exercise, tmp_path: Path) -> None:
    dead = {"model.py": "import os\nos._exit(1)\n", "train.py": "import os\nos._exit(1)\n"}
    hangs = {"model.py": "while True: pass\n", "train.py": exercise.reference["train.py"]}
    lines = [
        {"id": "dead", "files": dead},
        {"id": "hangs", "files": hangs, "options": {"timeout": 1}},
        {"id": "right", "files": exercise.reference},
        {"id": "starter", "files": exercise.starter()},
    ]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    command = [sys.executable, "-m", "grader", "batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl")]
    command += ["--only", "projection", "--jobs", "1", "--resume"]
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert process.stderr is not None
        assert any(line.startswith("grader: [1]") for line in process.stderr)
        process.send_signal(number)
        _, told = process.communicate(timeout=300)

        assert process.returncode == code, told
        assert ("interrupted; " in told) == (number is signal.SIGINT)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = [read_result_line(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]

    assert done.returncode == 0, done.stderr
    assert re.match(r"4 graded, [234] of them before\n", done.stdout) is not None
    assert {line.id: line.reward for line in found} == {"dead": 0.0, "hangs": 0.0, "right": 1.0, "starter": 0.0}
