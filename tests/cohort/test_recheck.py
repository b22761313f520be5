"""Recorded verdicts beside those that are reached here: found by hash, compared item by item, and counted."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace

from grader.cohort.pool import Backend, Graded, NotGraded, Setup, Task
from grader.cohort.recheck import Rechecks, Recordings, Submissions, Tally, require_submissions
from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.jobs import About, Asked
from grader.result.audience import for_audience
from grader.result.certificate import certify, to_bytes
from grader.result.lines import RecheckLine, result_line, to_line
from grader.result.record import Audience, Result, Status, from_json, to_json, untimed
from grader.sandbox.client import Launcher
from grader.submission.read import Submission, submission_of

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "batch.schema.json"


@pytest.fixture(scope="module")
def submission(exercise: Exercise) -> Submission:
    return submission_of("ann", exercise.reference)


@pytest.fixture(scope="module")
def result(exercise: Exercise, submission: Submission, launcher: Launcher) -> Result:
    options = Options(only=("projection",), seed=1, followups=False, timeout=500.0)
    return Session(exercise, launcher, Keep.NOTHING).grade(submission, options)


class Answering:
    """In place of jobs: one answer to all, and what was asked."""

    def __init__(self, answer: Graded | NotGraded) -> None:
        self.answer = answer
        self.options: list[Options | None] = []

    def grade(self, asked: Iterable[Asked[About, Task]]) -> Iterator[tuple[About, Graded | NotGraded]]:
        for each in asked:
            self.options.append(each.task.options)
            yield each.about, self.answer


Run = Callable[..., tuple[Tally, list[RecheckLine], list[Options | None]]]


@pytest.fixture
def run(exercise: Exercise) -> Run:
    """``run(path, result, places)``: what of the recorded is reached again where every grade comes to ``result``."""

    def run(
        path: Path, here: Result | NotGraded, places: Iterable[Path] = ()
    ) -> tuple[Tally, list[RecheckLine], list[Options | None]]:
        answer = here if isinstance(here, NotGraded) else Graded(result=to_json(here), report=b"", seconds=1.0)
        answering = Answering(answer)

        def backend(_: Setup) -> AbstractContextManager[Backend]:
            return contextlib.nullcontext(answering)

        rechecks = Rechecks(exercise, Submissions.in_places(places), Options(explain=False), None)
        lines: list[RecheckLine] = []
        tally = rechecks.run(Recordings([path]), backend, lines.append)
        return tally, lines, answering.options

    return run


@pytest.fixture
def batch(tmp_path: Path, submission: Submission, result: Result) -> tuple[Path, Path]:
    """Lines of a batch, and what came of them."""
    submissions, results = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    submissions.write_text(json.dumps({"id": "ann", "files": submission.files}) + "\n")
    results.write_bytes(to_line(result_line("ann", 1, result, 1.0)))
    return submissions, results


def worse(result: Result) -> Result:
    item = replace(result.items[0], status=Status.NOT_FIXED, score=0.0)
    return replace(result, items=(item,), score=0.0)


def test_what_is_reached_again_is_the_same_to_the_byte(batch: tuple[Path, Path], result: Result, run: Run) -> None:
    submissions, results = batch
    tally, (line,), (options,) = run(results, result, [submissions])

    assert (tally.graded, tally.other_rewards, tally.other_verdicts, tally.same_results) == (1, 0, 0, 1)
    assert (line.same_reward, line.same_result, line.items, line.differs) == (True, True, (), ())
    assert options is not None
    assert (options.seed, options.only, options.followups, options.explain) == (1, ("projection",), False, True)
    assert options.timeout == 60.0  # a file that asks for more gets a minute


def test_another_reward_is_said_item_by_item(batch: tuple[Path, Path], result: Result, run: Run) -> None:
    submissions, results = batch
    other = replace(worse(result), integrity=replace(result.integrity, grader="0" * 64))
    tally, (line,), _ = run(results, other, [submissions])

    assert (tally.other_rewards, tally.same_results, tally.differs) == (1, 0, {"grader": 1})
    assert line.here is not None
    assert (line.recorded.reward, line.here.reward) == (1.0, 0.0)
    (change,) = line.items
    assert change.recorded is not None
    assert change.here is not None
    assert (change.id, change.recorded.score, change.here.score) == ("projection", 15.0, 0.0)


def test_results_of_a_cohort_are_found_by_their_hash_whatever_they_are_called(
    result: Result, submission: Submission, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "out" / "candidates" / "ann").mkdir(parents=True)
    (tmp_path / "out" / "candidates" / "ann" / "result.json").write_bytes(to_json(untimed(result)))
    (tmp_path / "out" / "cohort.json").write_text("{}")
    (tmp_path / "handed-in" / "someone").mkdir(parents=True)
    for name, text in submission.files.items():
        (tmp_path / "handed-in" / "someone" / name).write_text(text)
    tally, (line,), _ = run(tmp_path / "out", result, [tmp_path / "handed-in"])

    assert (tally.graded, tally.same_results, line.id) == (1, 1, "ann")
    assert line.traces == ()


def test_answers_with_other_bits_are_named_by_their_comparison(result: Result, run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(to_bytes(certify({}, {}, result)))
    files = from_json(to_json(result)).trace
    assert files is not None
    other = replace(result, trace=tuple(replace(trace, answers="0" * 64) for trace in files[:1]) + files[1:])
    certificate = certify(submission_files(result), {}, result)
    (tmp_path / "c.json").write_bytes(to_bytes(certificate))
    _, (line,), _ = run(tmp_path / "c.json", other)

    assert line.error is None
    assert line.traces == (files[0].comparison,)


def submission_files(result: Result) -> dict[str, str]:
    """The reference's, of which the result is."""
    root = Path(__file__).resolve().parents[2] / "reference"
    return {name: (root / name).read_text("utf-8") for name in result.candidate.files}


def test_a_certificate_brings_its_submission_and_a_forged_one_is_not_graded(
    result: Result, run: Run, tmp_path: Path
) -> None:
    files = submission_files(result)
    (tmp_path / "a.json").write_bytes(to_bytes(certify(files, {}, result)))
    (tmp_path / "b.json").write_bytes(to_bytes(certify({**files, "model.py": "pass"}, {}, result)))
    tally, lines, asked = run(tmp_path, result)

    assert (tally.graded, tally.missing, len(asked)) == (1, 1, 1)
    assert [line.error.message for line in lines if line.error] == ["its files are not those that the result speaks of"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda result: replace(result, exercise=replace(result.exercise, id="other")), "name it with --exercise"),
        (lambda result: replace(result, asked=replace(result.asked, only=("gone",))), "no such item: 'gone'"),
        (lambda result: replace(result, candidate=replace(result.candidate, sha256="0" * 64)), "no submission with"),
    ],
)
def test_what_cannot_be_graded_again_says_why(
    change: Callable[[Result], Result], message: str, batch: tuple[Path, Path], result: Result, run: Run
) -> None:
    submissions, results = batch
    results.write_bytes(to_line(result_line("ann", 1, change(result), 1.0)))
    tally, (line,), asked = run(results, result, [submissions])

    assert (tally.missing, tally.graded, asked) == (1, 0, [])
    assert line.error is not None
    assert message in line.error.message


def test_a_machine_that_fails_says_nothing_of_the_verdict(batch: tuple[Path, Path], result: Result, run: Run) -> None:
    submissions, results = batch
    tally, (line,), _ = run(results, NotGraded(reason="no memory"), [submissions])

    assert (tally.unjudged, tally.graded, tally.other_rewards) == (1, 0, 0)
    assert (line.here, line.same_reward) == (None, None)


def test_a_learners_view_and_other_files_are_passed_over(result: Result, tmp_path: Path) -> None:
    (tmp_path / "learner.json").write_bytes(to_json(for_audience(result, Audience.LEARNER)))
    (tmp_path / "other.json").write_text("[1]")
    recordings = Recordings([tmp_path])

    assert list(recordings) == []
    assert (recordings.ignored, len(recordings.unreadable)) == (1, 1)
    with pytest.raises(UsageError, match=r"other\.json' is no result"):
        list(Recordings([tmp_path / "other.json"]))
    with pytest.raises(UsageError, match="no such file or directory"):
        Recordings([tmp_path / "absent"])


def test_offline_a_certificate_is_examined_and_nothing_is_graded(
    result: Result, exercise: Exercise, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_bytes(to_bytes(certify(submission_files(result), {}, result)))
    (tmp_path / "b.json").write_bytes(to_json(result))
    lines: list[RecheckLine] = []
    rechecks = Rechecks(exercise, Submissions(), Options(), None)
    tally = rechecks.examine(Recordings([tmp_path]), lines.append)

    assert (tally.lines, tally.missing, tally.other_rewards) == (2, 1, 0)
    assert [line.error is None for line in lines] == [True, False]


def test_its_lines_are_as_their_schema_says(batch: tuple[Path, Path], result: Result, run: Run) -> None:
    submissions, results = batch
    schema = {**json.loads(SCHEMA.read_text("utf-8")), "$ref": "#/$defs/RecheckLine"}
    for here in (result, worse(result), NotGraded(reason="no memory")):
        _, (line,), _ = run(results, here, [submissions])

        assert list(jsonschema.Draft202012Validator(schema).iter_errors(json.loads(to_line(line)))) == []


def test_without_any_submission_one_error_names_where_they_are_given(
    batch: tuple[Path, Path], submission: Submission, result: Result, tmp_path: Path
) -> None:
    _, recorded = batch
    with pytest.raises(UsageError, match=r"recorded verdicts?, and no submission to grade again: .* --submissions"):
        require_submissions([recorded])
    certificate = tmp_path / "cert.json"
    certificate.write_bytes(to_bytes(certify(submission.given, submission.tests, result)))

    require_submissions([recorded, certificate])  # it has its own
