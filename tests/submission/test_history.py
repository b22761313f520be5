"""A history is a chain: what was changed, taken out or put in shows, and whatever it holds, it is read in bounds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from grader.hand_ins.read_hand_ins import read_hand_in
from grader.limits import HISTORY_MAX_BYTES, TIMELINE_DIFFS_MAX_CHARACTERS, TIMELINE_MAX_EVENTS
from grader.result.record import EventKind
from grader.submission.history import (
    FILE,
    MOST_TROUBLES,
    Change,
    Graded,
    Hinted,
    ItemScore,
    Line,
    Started,
    encode,
    last_hash,
    parse,
    timeline_of,
)

BEGIN = datetime(2026, 11, 29, 19, 0, tzinfo=UTC)


def at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def graded(minute: float, *full: str, score: float = 0, diff: str = "") -> Graded:
    """A grade of two items, of which these have all their points."""
    items = {id: ItemScore(status="x", score=15.0 * (id in full), max_score=15) for id in ("masking", "position")}
    changes = (Change(file="model.py", lines_before=5, lines_after=6, added=1, removed=0, diff=diff),) if diff else ()
    return Graded(at=at(minute), by="watch", sha256="0" * 64, score=score, max_score=30, items=items, changes=changes)


def chained(*lines: Line) -> bytes:
    data = b""
    for line in lines:
        data += encode(replace(line, previous=last_hash(data)))
    return data


START = Started(at=BEGIN, nonce="ab", exercise="gpt", starter="0" * 64, minutes=30)
SESSION = chained(
    START,
    graded(5),
    Hinted(at=at(8), item="masking", number=1),
    Hinted(at=at(9), item="masking", number=2),
    graded(10, "masking", score=15),
    graded(20, "position", score=15),
    Hinted(at=at(25), item="masking", number=3),
    graded(40, "masking", "position", score=30),
)


def test_what_was_written_is_read_and_holds_together() -> None:
    read = parse(SESSION)

    assert (len(read.lines), read.troubles, read.head) == (8, (), last_hash(SESSION))
    assert read.lines[0] == START


def test_a_session_says_what_was_found_when_after_how_many_grades_and_hints() -> None:
    timeline = timeline_of(SESSION)
    assert timeline is not None

    assert [(story.id, story.minute, story.grades, story.hints) for story in timeline.items] == [
        ("masking", 10.0, 2, 2),  # the third hint came after it was found
        ("position", 20.0, 3, 0),
    ]
    assert (timeline.grades, timeline.hints, timeline.minutes) == (4, {"masking": 3}, 30)
    assert (timeline.started_at, timeline.last_at) == ("2026-11-29T19:00:00Z", "2026-11-29T19:40:00Z")
    grades = [event for event in timeline.events if event.kind is EventKind.GRADED]
    assert [(event.minute, event.found, event.lost) for event in grades] == [
        (5.0, (), ()),
        (10.0, ("masking",), ()),
        (20.0, ("position",), ("masking",)),
        (40.0, (), ()),
    ]


LINES = SESSION.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(SESSION.replace(b'"number":2', b'"number":1', 1), "line 5 does not follow", id="changed"),
        pytest.param(b"".join(LINES[:3] + LINES[4:]), "line 4 does not follow", id="taken-out"),
        pytest.param(b"".join([*LINES[:4], LINES[2], *LINES[4:]]), "line 5 does not follow", id="put-in"),
        pytest.param(b"".join([LINES[0], LINES[2], LINES[1], *LINES[3:]]), "line 2 does not follow", id="reordered"),
        pytest.param(b"".join(LINES[1:]), "it does not begin with a start", id="beginning-cut"),
        pytest.param(
            SESSION + encode(replace(START, at=at(50), previous=last_hash(SESSION))), "once more", id="restarted"
        ),
        pytest.param(chained(START, graded(9), graded(3)), "the time goes back at line 3", id="clock"),
        pytest.param(SESSION + b"{\n", "line 9 cannot be read", id="torn"),
    ],
)
def test_what_was_tampered_with_shows(data: bytes, words: str) -> None:
    timeline = timeline_of(data)
    assert timeline is not None

    assert [trouble for trouble in timeline.troubles if words in trouble] != []


def test_a_history_that_was_deleted_begins_anew_and_holds_together() -> None:
    timeline = timeline_of(chained(graded(9), graded(12, "masking")))
    assert timeline is not None

    assert timeline.without_start
    assert timeline.troubles == ()
    assert not parse(SESSION).without_start


def test_a_history_whose_beginning_was_cut_off_does_not_begin_anew() -> None:
    read = parse(b"".join(LINES[1:]))

    assert not read.without_start
    assert "it does not begin with a start" in read.troubles


def test_what_the_chain_cannot_show_is_as_the_documentation_says() -> None:
    cut, anew = b"".join(LINES[:-1]), chained(START, graded(1, "masking", "position"))

    assert [timeline_of(data).troubles for data in (cut, anew)] == [(), ()]  # type: ignore[union-attr]
    assert last_hash(SESSION) not in (last_hash(cut), last_hash(anew))  # but against a hash that was noted down


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"null\n[]\n{}\n",
        b'{"what":"graded"}\n',
        b'{"what":"hint","at":"2026-11-29T19:00:00","item":"a","number":1}\n',
        b'{"what":"hint","at":"2026-11-29T19:00:00Z","item":"' + b"a" * 81 + b'","number":1}\n',
        b'{"what":"hint","at":"2026-11-29T19:00:00Z","item":"a","number":1e99}\n',
        b"[" * 100_000 + b"\n",
        bytes(range(256)),
    ],
    ids=range(9),
)
def test_what_is_no_history_is_none(data: bytes) -> None:
    assert timeline_of(data) is None


def test_a_long_history_is_kept_in_bounds() -> None:
    timeline = timeline_of(
        chained(START, *(graded(n, diff="@@ -1 +1,2 @@\n" + "+x\n" * 1_000) for n in range(1, 1_100)))
    )
    assert timeline is not None

    assert (len(timeline.events), timeline.left_out) == (TIMELINE_MAX_EVENTS, 1_099 - TIMELINE_MAX_EVENTS)
    kept = sum(len(change.diff) for event in timeline.events for change in event.changes)
    assert kept <= TIMELINE_DIFFS_MAX_CHARACTERS
    assert timeline.events[-1].left_out == 1


def test_of_very_many_lines_the_first_are_read() -> None:
    read = parse(SESSION + b"x\n" * 1_000_000)

    assert (len(read.lines), len(read.troubles)) == (8, MOST_TROUBLES + 1)
    assert read.head == last_hash(b"x\n")


@pytest.mark.parametrize("kind", ["file", "none", "pipe", "link", "too-large"])
def test_a_hand_in_brings_its_history_along(kind: str, tmp_path: Path) -> None:
    import os

    (tmp_path / "model.py").write_text("x = 1")
    (tmp_path / "train.py").write_text("x = 1")
    match kind:
        case "file":
            (tmp_path / FILE).write_bytes(SESSION)
        case "pipe":
            os.mkfifo(tmp_path / FILE)
        case "link":
            (tmp_path / FILE).symlink_to("/etc/passwd")
        case "too-large":
            (tmp_path / FILE).write_bytes(b"x" * (HISTORY_MAX_BYTES + 1))

    assert read_hand_in(tmp_path).history == (SESSION if kind == "file" else b"")
