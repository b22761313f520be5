"""A certificate: a result with the submission that it is about, and how much of it can be checked without grading.

Nothing is signed. The hashes say that the parts belong together; that the verdict is right is shown by reaching it
again.
"""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from grader.files.digest import digest
from grader.limits import CERTIFICATE_MAX_BYTES
from grader.result.hidden import Frozen
from grader.result.lines import Sha256, result_sha256
from grader.result.record import Audience, Lane, Result, environment_digest, from_json, to_json, untimed

VERSION: Final = 1
POINTS_APART: Final = 0.005  # between a sum and its parts: points are rounded to hundredths


class Certificate(Frozen, frozen=True, kw_only=True):
    """A result, and what was graded."""

    certificate: Annotated[int, Meta(ge=1, le=VERSION)] = VERSION
    files: dict[str, str]  # of the submission's package, text by file name
    tests: dict[str, str]  # beside them
    result: Result  # the instructor's, without times
    result_sha256: Sha256


def certify(files: dict[str, str], tests: dict[str, str], result: Result) -> Certificate:
    """The certificate of an instructor's result of this submission."""
    assert result.audience is Audience.INSTRUCTOR, result.audience
    plain = untimed(result)
    return Certificate(files=files, tests=tests, result=plain, result_sha256=result_sha256(plain))


def to_bytes(certificate: Certificate) -> bytes:
    """The certificate as indented JSON, UTF-8, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(certificate), indent=2) + b"\n"


def is_certificate(data: bytes) -> bool:
    """Whether a file begins as certificates do, whatever else is in it."""
    return b'"certificate"' in data[:100]


def read_certificate(data: bytes) -> Certificate:
    """What ``to_bytes`` made the bytes of. Raises ``msgspec.DecodeError`` naming what is wrong."""
    if len(data) > CERTIFICATE_MAX_BYTES:
        raise msgspec.DecodeError(f"it is larger than {CERTIFICATE_MAX_BYTES >> 20} MiB, which no certificate is")
    try:
        certificate = msgspec.json.decode(data, type=Certificate)
        # As a result that is read from a file: texts that no renderer can stumble over.
        return msgspec.structs.replace(certificate, result=from_json(to_json(certificate.result)))
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def faults(certificate: Certificate) -> tuple[str, ...]:
    """What does not hold together in a certificate, found without grading; empty where all does."""
    return tuple(_faults(certificate))


def _faults(certificate: Certificate) -> Iterator[str]:
    result = certificate.result
    if _digest(certificate.files) != result.candidate.sha256:
        yield "its files are not those that the result speaks of"
    if (_digest(certificate.tests) if certificate.tests else None) != result.candidate.tests_sha256:
        yield "its tests are not those that the result speaks of"
    if result_sha256(result) != certificate.result_sha256:
        yield "its result was changed since it was written: the hash is of another"
    if environment_digest(result.environment) != result.integrity.environment:
        yield "the environment in its result is not the one whose hash the result has"
    if result.audience is not Audience.INSTRUCTOR or result.environment.seed is None:
        yield "its result has no seed, and cannot be reached again: it is a learner's"
    for what in ("score", "max_score"):
        total = sum(getattr(item, what) for item in result.items)
        if abs(total - getattr(result, what)) > POINTS_APART:
            yield f"its {what} is {getattr(result, what):g}, and that of its items is {total:g} together"
    for item in result.items:
        if item.score > item.max_score:
            yield f"{item.id} has {item.score:g} of {item.max_score:g} points"
    for trace in result.trace or ():
        if trace.lane is Lane.BITWISE and trace.bugs == () and trace.parts is not None:
            yield f"{trace.comparison} is said to have the reference's bits, and to part from them"


def _digest(texts: dict[str, str]) -> str:
    return digest({file: text.encode() for file, text in texts.items()})
