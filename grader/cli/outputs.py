"""Result files: where a result goes, format by format, and one that was written before, read back.

Nothing heavy is imported before there is something to write.
"""

import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Final

import msgspec

from grader.errors import UsageError
from grader.files.printable import one_line
from grader.files.write import check_writable, write_atomically
from grader.limits import RESULT_MAX_BYTES
from grader.result.certificate import is_certificate
from grader.result.record import Result, from_json

if TYPE_CHECKING:
    from grader.result.record import Result


STANDARD_OUTPUT: Final = "-"
EXPECTED: Final = "what `grader grade --json` wrote"


def check(outputs: Mapping[str, str]) -> None:
    """Complain before the work is done. ``outputs`` is a file, or ``-``, by format. Raises ``UsageError``."""
    for target in outputs.values():
        if target != STANDARD_OUTPUT:
            check_writable(Path(target))
    for (one, first), (other, second) in combinations(outputs.items(), 2):
        if first == second == STANDARD_OUTPUT:
            raise UsageError(f"--{one} and --{other} both go to standard output; give one of them a file")
        if _is_one_file(first, second):
            raise UsageError(f"--{one} and --{other} both name {first!r}; one would overwrite the other")


def prepare(outputs: Mapping[str, str]) -> None:
    """Import what pictures are drawn with, where any will be: in a thread, while the launcher imports torch."""
    if "html" in outputs:
        Thread(target=_import_drawing, name="import of what draws").start()


def _import_drawing() -> None:
    with suppress(Exception):  # whatever is wrong is said where it is drawn with
        from grader.report.drawing import import_library

        import_library()


def write(result: "Result", outputs: Mapping[str, str], text: Callable[[], str]) -> None:
    """Write every format that is asked for, then the text: unless one of them is all that standard output gets.

    Raises ``CannotJudge`` when a file cannot be written.
    """
    # The record first: should drawing a report fail, the verdict is not lost.
    for format_ in sorted(outputs, key=lambda format_: format_ != "json"):
        put(render(result, format_), outputs[format_])
    if STANDARD_OUTPUT in outputs.values():
        return
    sys.stdout.write(text())
    for target in outputs.values():
        sys.stdout.write(f"Written: {one_line(target)}\n")


def render(result: "Result", format_: str) -> bytes:
    """The result in the format of this name."""
    from grader.report import render_html
    from grader.report.formats import FORMATS
    from grader.result.record import to_json

    match format_:
        case "json":
            return to_json(result)
        case "html":
            return render_html(result).encode()
        case _:
            return FORMATS[format_](result)


def put(data: bytes, target: str) -> None:
    """To the file as a whole, or to standard output."""
    if target == STANDARD_OUTPUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_atomically(Path(target), data)


def _is_one_file(first: str, second: str) -> bool:
    if STANDARD_OUTPUT in (first, second):
        return False
    return Path(first).resolve() == Path(second).resolve() and not Path(first).is_char_device()


def read_result(path: Path) -> Result:
    """The result in a file. Raises ``UsageError`` when there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(RESULT_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
    if len(data) > RESULT_MAX_BYTES:
        raise UsageError(f"{str(path)!r} is larger than {RESULT_MAX_BYTES >> 20} MiB; no result is")
    if is_certificate(data):
        name = shlex.quote(one_line(str(path)))
        raise UsageError(
            f"{str(path)!r} is a certificate, and no result; expected {EXPECTED}. To reach a certificate's verdict "
            f"again: grader recheck {name}"
        )
    try:
        return from_json(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{str(path)!r} is not a result of this grader: {error}; expected {EXPECTED}") from None
