"""Gradescope's results add up, and say where a 0 is none."""

import json
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from grader.report.formats import gradescope
from grader.result.record import Outcome, Result, Status


def results(result: Result) -> dict[str, Any]:
    return dict(json.loads(gradescope.render(result)))


def unjudged(samples: ModuleType) -> Result:
    """Full marks, but for one item that could not be judged."""
    result: Result = samples.perfect()
    check = samples.check("asked", "It holds", Outcome.NOT_JUDGED, 0, 20, message="Out of memory.")
    item = replace(result.items[-1], status=Status.NOT_JUDGED, score=0, max_score=0, checks=(check,))
    return replace(result, items=(*result.items[:-1], item), score=80, max_score=80)


def test_every_item_is_a_test_with_its_points(samples: ModuleType) -> None:
    result = samples.half_done()
    told = results(result)
    points = [(test["name"], test["score"], test["max_score"]) for test in told["tests"] if "score" in test]

    assert [(item.title, item.score, item.max_score) for item in result.items] == points
    assert [test["number"] for test in told["tests"]] == ["1", "2", "3", "4", "5", "6", "F1"]
    assert [test["status"] for test in told["tests"]].count("passed") == 2
    assert told["score"] == result.score


def test_followups_have_no_points_that_would_change_the_total(samples: ModuleType) -> None:
    [test] = [test for test in results(samples.half_done())["tests"] if "follow-up" in test["tags"]]

    assert {"score", "max_score"} & test.keys() == set()
    assert "0 of 5 points beside the total, not part of it." in test["output"]


def test_an_item_that_could_not_be_judged_reads_as_no_verdict(samples: ModuleType) -> None:
    told = results(unjudged(samples))
    test = told["tests"][5]

    assert (told["score"], test["score"], test["max_score"], test["status"]) == (80, 0, 0, "failed")
    assert "This is no verdict on the code" in test["output"]
    assert "Some items could not be judged." in told["output"]
    assert "could not be judged" not in results(samples.perfect())["output"]


def test_the_evidence_is_plain_text_with_its_lines(samples: ModuleType) -> None:
    told = results(samples.starter())
    output = told["tests"][0]["output"]

    assert "\n✗ Failed: Changing a later token leaves earlier logits alone · 0 of 9 points\n" in output
    assert "\n      model = GPT(GPTConfig(vocab_size=7" in output
    assert "\n      attn torch.Size([2, 3, 3])\n" in output
    assert {test["output_format"] for test in told["tests"]} | {told["output_format"]} == {"text"}


def test_students_see_the_tests_and_not_what_is_printed(samples: ModuleType) -> None:
    told = results(samples.starter())

    assert (told["visibility"], told["stdout_visibility"]) == ("visible", "hidden")
    assert {test["visibility"] for test in told["tests"]} == {"visible"}
