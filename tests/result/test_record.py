"""A record has only text that prints, so that no encoder and no renderer stumbles over it."""

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from grader.result.record import (
    SCHEMA_VERSION,
    Asked,
    CandidateInfo,
    CheckResult,
    Environment,
    ExerciseInfo,
    Integrity,
    Isolation,
    ItemResult,
    Lane,
    Mode,
    Outcome,
    Result,
    Role,
    Scope,
    Status,
    from_json,
    harmless,
    to_json,
)

RESULT = Result(
    exercise=ExerciseInfo(id="e", title="E"),
    candidate=CandidateInfo(name="n", sha256="0", notes=("first", "second\n\tline")),
    score=0.5,
    max_score=1,
    items=(),
    remaining_bugs=None,
    environment=Environment(
        grader="0", torch="0", python="0", platform="0", cpu="0", threads=1, packages={}, seed=7,
        isolation=Isolation(mode="strict", layers=(), missing=()),
    ),
    asked=Asked(only=(), thorough=False, timeout=1.0),
    integrity=Integrity(exercise="0", grader="0", environment="0"),
    seconds=0,
)  # fmt: skip


ITEM = ItemResult(
    id="i", title="I", status=Status.FIXED, score=1, max_score=1, lane=Lane.BITWISE, summary="", checks=(),
    scope=Scope(tokens=77, rows=17, modes=(Mode.EVAL,)),
)  # fmt: skip


def test_how_far_the_questions_went_comes_back_and_may_be_missing_as_in_older_results() -> None:
    data = json.loads(to_json(replace(RESULT, items=(ITEM,))))

    assert from_json(json.dumps(data).encode()).items == (ITEM,)
    del data["items"][0]["scope"]
    assert from_json(json.dumps(data).encode()).items == (replace(ITEM, scope=None),)


def named(name: str) -> Result:
    return replace(RESULT, candidate=replace(RESULT.candidate, name=name))


def test_what_prints_stays_as_it_is() -> None:
    assert harmless(RESULT) == RESULT
    assert from_json(to_json(RESULT)) == RESULT


@pytest.mark.parametrize("text", ["a\ud800b", "a\x1b[31mb", "a\u202eb", "a\x00b", "a\x9bmb"], ids=ascii)
@pytest.mark.parametrize(
    "through",
    [
        pytest.param(harmless, id="harmless"),
        pytest.param(lambda result: from_json(to_json(result)), id="to-json"),
    ],
)
def test_what_does_not_print_is_not_in_it(text: str, through: Callable[[Result], Result]) -> None:
    assert through(named(text)) == named("ab")


def test_what_does_not_print_in_a_file_is_not_in_the_record() -> None:
    data = to_json(named("a-mark-b")).replace(b"-mark-", b"\\u001b[31m\\u202e")

    assert from_json(data) == named("ab")


def item_of_before(status: str, *checks: tuple[Outcome, bool]) -> dict[str, object]:
    """An item as results of version 1 have it, with the outcomes of its checks and whether those say "not built"."""
    written = tuple(
        CheckResult(
            id=str(number), title="", outcome=outcome, role=Role.EARNS, score=0, max_score=1, seconds=0, unbuilt=unbuilt
        )
        for number, (outcome, unbuilt) in enumerate(checks)
    )
    item = replace(ITEM, checks=written, score=0)
    plain: dict[str, object] = json.loads(to_json(replace(RESULT, items=(item,))))["items"][0]
    return plain | {"status": status}


@pytest.mark.parametrize(
    ("item", "status"),
    [
        pytest.param(item_of_before("not-fixed", (Outcome.BLOCKED, False)), Status.WAITS, id="bug-waits"),
        pytest.param(item_of_before("not-built", (Outcome.BLOCKED, False)), Status.WAITS, id="extension-waits"),
        pytest.param(item_of_before("not-fixed", (Outcome.FAILED, False)), Status.NOT_FIXED, id="not-fixed"),
        pytest.param(item_of_before("not-built", (Outcome.BROKEN, False)), Status.WRONG, id="wrong"),
        pytest.param(item_of_before("not-built", (Outcome.BROKEN, True)), Status.NOT_BUILT, id="not-built"),
        pytest.param(item_of_before("not-built"), Status.NOT_BUILT, id="nothing-asked"),
        pytest.param(item_of_before("fixed", (Outcome.PASSED, False)), Status.FIXED, id="fixed"),
    ],
)
def test_a_result_of_before_is_read_in_the_words_of_today(item: dict[str, object], status: Status) -> None:
    before = json.loads(to_json(RESULT)) | {"schema_version": 1, "items": [item]}
    read = from_json(json.dumps(before).encode())

    assert (read.schema_version, read.items[0].status) == (SCHEMA_VERSION, status)
    assert from_json(to_json(read)) == read
