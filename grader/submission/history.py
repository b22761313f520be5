"""The history of a workspace: when it was started, graded and hinted at, as lines of JSON in a chain.

::

    {"what":"started","at":"2026-11-29T19:00:00Z","previous":"","minutes":90,...}
    {"what":"graded","at":"2026-11-29T19:04:10Z","previous":"3f0c...","score":15.0,...}
    {"what":"hint","at":"2026-11-29T19:05:02Z","previous":"a91e...","item":"masking","number":1}

``previous`` is the SHA-256 of the line before, without its end. So a line that was changed, taken out or put in shows,
unless all lines after it were made anew: the file is its owner's, and holds no secret of anybody else's. What is read
here may be a stranger's, and every size in it has a limit.
"""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from grader.files.read_untrusted import Folder, Refused
from grader.limits import HISTORY_LINE_MAX_BYTES, HISTORY_MAX_BYTES, HISTORY_MAX_LINES

FILE: Final = ".grader-history.jsonl"
MOST_TROUBLES: Final = 20

Id = Annotated[str, Meta(max_length=80)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Points = Annotated[float, Meta(ge=0, le=1_000_000)]
Hash = Annotated[str, Meta(max_length=64)]


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What became of one file since the grade before, or since the start; as in a result."""

    file: Annotated[str, Meta(max_length=255)]
    lines_before: Count | None
    lines_after: Count | None
    added: Count
    removed: Count
    diff: Annotated[str, Meta(max_length=40_000)] = ""
    left_out: Count = 0


class ItemScore(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item or a follow-up in one grade."""

    status: Id
    score: Points
    max_score: Points


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="what"):
    """What all lines have."""

    at: datetime
    previous: Hash = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a time without a time zone")


class Started(Entry, tag="started", kw_only=True, frozen=True):
    """The workspace was made."""

    nonce: Hash  # drawn, so that no two workspaces begin with one hash
    exercise: Id
    starter: Hash  # SHA-256 of the code that it was started with
    minutes: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class Graded(Entry, tag="graded", kw_only=True, frozen=True):
    """The files were graded."""

    by: Id  # "grade", "watch" or "mcp"
    sha256: Hash  # of the files
    score: Points
    max_score: Points
    items: Annotated[dict[Id, ItemScore], Meta(max_length=64)]
    stopped: bool = False  # whether the code did not run
    changes: Annotated[tuple[Change, ...], Meta(max_length=64)] = ()


class Hinted(Entry, tag="hint", kw_only=True, frozen=True):
    """A hint was shown."""

    item: Id
    number: Annotated[int, Meta(ge=1, le=100)]


Line = Started | Graded | Hinted

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)


class History(Struct, frozen=True, kw_only=True):
    """All lines that could be read.

    Attributes:
        first: the hash of the first line; empty where there is none.
        head: that of the last one, which stands for all of them.
        troubles: what does not hold together, in words; empty for a chain that is whole.
    """

    lines: tuple[Line, ...] = ()
    first: str = ""
    head: str = ""
    troubles: tuple[str, ...] = ()


def now() -> datetime:
    """The time as it is written: UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def text_of(at: datetime) -> str:
    """A time as results have it: 2026-11-29T19:04:10Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode(line: Line) -> bytes:
    """One line, with its end."""
    return _encoder.encode(line) + b"\n"


def hash_of(line: bytes) -> str:
    """SHA-256 of a line without its end, in hexadecimal: what the next one says that it comes after."""
    return hashlib.sha256(line).hexdigest()


def last_hash(data: bytes) -> str:
    """The hash of the last line, whatever it holds; empty where there is none."""
    lines = data.splitlines()
    return hash_of(lines[-1]) if lines else ""


def parse(data: bytes) -> History:
    """The lines, and whether each comes after the one before. Anything may be in ``data``."""
    lines: list[Line] = []
    troubles: list[str] = []
    previous = first = ""
    raws = data.splitlines()
    for number, raw in enumerate(raws[:HISTORY_MAX_LINES], 1):
        found = hash_of(raw)
        first = first or found
        try:
            line = _decoder.decode(raw) if len(raw) <= HISTORY_LINE_MAX_BYTES else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            line = None
        if line is None:
            troubles.append(f"line {number} cannot be read")
        else:
            troubles += _troubles(number, line, previous, lines[-1] if lines else None)
            lines.append(line)
        previous = found
    if len(raws) > HISTORY_MAX_LINES:
        troubles.append(f"of {len(raws)} lines, the first {HISTORY_MAX_LINES} were read")
    if (more := len(troubles) - MOST_TROUBLES) > 0:
        troubles[MOST_TROUBLES:] = [f"and {more} more like these"]
    return History(lines=tuple(lines), first=first, head=last_hash(data), troubles=tuple(troubles))


def _troubles(number: int, line: Line, previous: str, before: Line | None) -> list[str]:
    found = []
    if line.previous != previous:
        found.append(f"line {number} does not follow the line before it: something was changed, taken out or put in")
    if isinstance(line, Started) != (number == 1):
        found.append(
            f"line {number} starts the workspace once more" if number > 1 else "it does not begin with a start"
        )
    if before is not None and line.at < before.at:
        found.append(f"the time goes back at line {number}")
    return found


def read_history(folder: Folder) -> bytes:
    """The history's bytes as they lie in a folder; none where there is no such file, or it is nothing to read."""
    try:
        data = folder.read(FILE, HISTORY_MAX_BYTES + 1)
    except (FileNotFoundError, Refused):
        return b""
    return data if len(data) <= HISTORY_MAX_BYTES else b""
