"""A certificate holds together, or says what does not; that it is true only a second grade shows."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from grader.exercise.model import Exercise
from grader.result.certificate import Certificate, certify, faults, read_certificate, to_bytes
from grader.result.lines import result_sha256
from grader.result.record import Lane, Result
from grader.submission.read import submission_of

TESTS = {"test_mine.py": "def test_mine():\n    pass\n"}


@pytest.fixture(scope="module")
def certificate(grade_files: Callable[..., Result], exercise: Exercise) -> Certificate:
    """Of the starter, whose projection has the wrong width and which part from the reference."""
    files = exercise.starter()
    return certify(files, TESTS, grade_files(files, tests=TESTS, only=("projection",)))


def test_what_was_written_is_read_and_holds_together(certificate: Certificate) -> None:
    again = read_certificate(to_bytes(certificate))

    assert again == certificate
    assert faults(again) == ()
    assert again.result.seconds == 0


def test_its_trace_says_where_the_bits_part_first(certificate: Certificate) -> None:
    by_name = {trace.comparison: trace for trace in certificate.result.trace or ()}
    forward = by_name["forward"]

    assert forward.parts is not None
    assert (forward.lane, forward.parts.tensor.startswith("logits")) == (Lane.BITWISE, True)
    assert forward.bugs == ("masking", "position", "projection")
    assert forward.answers is not None
    assert len(forward.answers) == 64


def changed(certificate: Certificate, **fields: object) -> Certificate:
    """With other fields in its result, and the hash of that: as somebody would forge it."""
    result = replace(certificate.result, **fields)
    return replace(certificate, result=result, result_sha256=result_sha256(result))


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        (lambda c: replace(c, files={**c.files, "model.py": "pass"}), "its files are not those"),
        (lambda c: replace(c, files={**c.files, "more.py": ""}), "its files are not those"),
        (lambda c: replace(c, tests={}), "its tests are not those"),
        (lambda c: replace(c, result=replace(c.result, score=3.0)), "the hash is of another"),
        (lambda c: changed(c, score=3.0), "its score is 3, and that of its items is 0 together"),
        (lambda c: changed(c, max_score=3.0), "its max_score is 3, and that of its items is 15"),
        (lambda c: changed(c, items=(replace(c.result.items[0], score=20.0),), score=20.0), "20 of 15 points"),
        (lambda c: changed(c, environment=replace(c.result.environment, torch="9")), "the environment in its result"),
        (lambda c: changed(c, environment=replace(c.result.environment, seed=None)), "has no seed"),
        (lambda c: changed(c, trace=tuple(replace(t, bugs=()) for t in c.result.trace)), "and to part from them"),
    ],
)
def test_what_does_not_hold_together_is_named(
    forged: Callable[[Certificate], Certificate], fault: str, certificate: Certificate
) -> None:
    assert fault in "; ".join(faults(forged(certificate)))


def test_a_forgery_that_is_complete_holds_together(certificate: Certificate) -> None:
    """Hashes are no proof: this is what grading again is for."""
    item = certificate.result.items[0]
    forged = changed(certificate, items=(replace(item, score=item.max_score),), score=item.max_score)

    assert faults(forged) == ()


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"certificate": 2}'])
def test_what_is_none_is_not_read(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_certificate(data)


def test_what_stands_in_for_a_missing_file_is_not_certified() -> None:
    submission = submission_of("mine", {"model.py": "pass\n"}, ["train.py was not read: it is a symbolic link"])

    assert submission.given == {"model.py": "pass\n"}
    assert submission_of("mine", submission.given, submission.notes) == submission
