"""check50's JSON says of every check whether it passed, and if not, why."""

import json
from types import ModuleType
from typing import Any

from grader.report.formats import check50
from grader.result.record import Result


def report(result: Result) -> dict[str, Any]:
    return dict(json.loads(check50.render(result)))


def results(result: Result) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in report(result)["results"]}


def test_it_names_the_exercise_and_the_grader(samples: ModuleType) -> None:
    told = report(samples.starter())

    assert (told["slug"], told["version"]) == ("gpt", "0.1.0")


def test_passed_is_true_false_or_neither(samples: ModuleType) -> None:
    passed = {name: entry["passed"] for name, entry in results(samples.half_done()).items()}

    assert {name for name, value in passed.items() if value is None} == {"hand-off", "every-parameter-moves"}
    assert passed["large-scores"] is passed["classifier-learns"] is True
    assert passed["future-tokens-do-not-reach-the-past"] is passed["chunked-equals-full"] is passed["ragged"] is False


def test_a_failure_has_its_cause_and_what_was_printed(samples: ModuleType) -> None:
    entry = results(samples.starter())["future-tokens-do-not-reach-the-past"]

    assert entry["cause"]["rationale"].startswith("The logits at position 0 moved by up to 0.318")
    assert "Smallest case found: vocab_size = 7" in entry["cause"]["help"]
    assert entry["log"] == ["attn torch.Size([2, 3, 3])"]
    assert entry["data"]["item"] == "masking"


def test_a_blocked_check_depends_on_the_one_to_see_to_first(samples: ModuleType) -> None:
    told = results(samples.half_done())

    assert told["hand-off"]["dependency"] == "future-tokens-do-not-reach-the-past"
    assert {entry["dependency"] for name, entry in told.items() if name != "hand-off"} == {None}
