"""Results that were written before, read back from wherever they have been since."""

from pathlib import Path

import msgspec

from grader.errors import UsageError
from grader.limits import RESULT_MAX_BYTES
from grader.result.record import Result, from_json


def read_result(path: Path) -> Result:
    """The result in a file. Raises ``UsageError`` when there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(RESULT_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if len(data) > RESULT_MAX_BYTES:
        raise UsageError(f"{str(path)!r} is larger than {RESULT_MAX_BYTES >> 20} MiB; no result is")
    try:
        return from_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{str(path)!r} is not a result of this grader: {error}") from None
