"""The reporter of GitHub Classroom gets points that add up, and nothing that a log would take for a command."""

from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from grader.report.formats import classroom
from grader.result.record import Result


@pytest.fixture
def told(published: ModuleType, result: Result) -> dict[str, Any]:
    return dict(published.classroom(classroom.render(result)))


def test_the_scores_are_those_of_the_items(told: dict[str, Any], result: Result) -> None:
    of_items = told["tests"][len(result.load_faults) :]

    assert [item.score for item in result.items] == [test["score"] for test in of_items]
    assert sum(test["score"] for test in told["tests"]) == sum(test["score"] for test in of_items)
    assert result.max_score == told["max_score"]


def test_every_item_has_a_status_and_those_that_fall_short_a_reason(samples: ModuleType, published: ModuleType) -> None:
    told = published.classroom(classroom.render(samples.half_done()))

    assert [test["status"] for test in told["tests"]] == ["error", "fail", "fail", "pass", "error", "fail", "pass"]
    assert [bool(test["message"]) for test in told["tests"]] == [True, True, True, False, True, True, False]
    assert told["tests"][5]["message"].endswith("No answer within 10 s. (and 1 more)")


@pytest.mark.parametrize(("name", "status"), [("starter", "fail"), ("half_done", "error"), ("perfect", "pass")])
def test_the_whole_passes_with_full_marks_alone(
    name: str, status: str, samples: ModuleType, published: ModuleType
) -> None:
    assert status == published.classroom(classroom.render(getattr(samples, name)()))["status"]


def test_nothing_in_it_commands_the_machine_that_logs_it(samples: ModuleType, published: ModuleType) -> None:
    hostile = samples.hostile()
    item = hostile.items[0]
    case = samples.case(seen="line\n::add-mask::x\n  ::error::y ##[add-matcher]z")
    item = replace(item, checks=(replace(item.checks[0], counterexample=case),))
    for result in (hostile, replace(hostile, items=(item,))):
        texts = [
            test[part]
            for test in published.classroom(classroom.render(result))["tests"]
            for part in ("name", "message")
        ]

        assert any("add-mask" in text for text in texts)
        assert [text for text in texts if "\n" in text or "::" in text or "##[" in text] == []
