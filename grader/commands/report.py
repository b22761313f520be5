"""``grader report``: render a result again, without running anything."""

from pathlib import Path

import msgspec

from grader.audience import for_audience
from grader.errors import UsageError
from grader.files import check_writable, write_atomically
from grader.record import Audience, from_json
from grader.report import render_html


def run(result: Path, output: Path, audience: str) -> int:
    """Write the HTML report of a result file; always 0."""
    check_writable(output)
    try:
        data = result.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {str(result)!r}: {error.strerror}") from None
    try:
        record = from_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{str(result)!r} is not a result of this grader: {error}") from None
    write_atomically(output, render_html(for_audience(record, Audience(audience))).encode())
    return 0
