"""JUnit XML says of every check what came of it."""

from types import ModuleType
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from grader.report.formats import junit
from grader.result.audience import for_audience
from grader.result.record import Audience, Outcome, Result


def cases(result: Result) -> dict[str, ElementTree.Element]:
    """The test cases by the id of their check."""
    root = ElementTree.fromstring(junit.render(result))
    named = ((str(case.get("name")).partition(":")[0], case) for case in root.iter("testcase"))
    return {name: case for name, case in named if case.get("classname") != "Does not run"}


def properties(result: Result) -> dict[str, str]:
    root = ElementTree.fromstring(junit.render(result))
    return {entry.attrib["name"]: entry.attrib["value"] for entry in root.iter("property")}


def test_every_check_of_items_and_followups_is_a_case_of_its_item(samples: ModuleType) -> None:
    result = samples.half_done()
    expected = {check.id: item.title for item in (*result.items, *result.followups) for check in item.checks}

    assert expected == {id_: case.get("classname") for id_, case in cases(result).items()}


@pytest.mark.parametrize(
    ("outcome", "elements"),
    [
        (Outcome.PASSED, []),
        (Outcome.FAILED, ["failure"]),
        (Outcome.BROKEN, ["error"]),
        (Outcome.TIMED_OUT, ["error"]),
        (Outcome.NOT_JUDGED, ["error"]),
        (Outcome.BLOCKED, ["skipped"]),
    ],
    ids=str,
)
def test_each_outcome_has_its_element(outcome: Outcome, elements: list[str], samples: ModuleType) -> None:
    result = samples.half_done()
    check = samples.check("asked", "It holds", outcome, 0, 1, seconds=0.0625, message="It does not.")
    [case] = cases(replace(result, items=(replace(result.items[0], checks=(check,)),), followups=())).values()

    assert elements == [child.tag for child in case]
    assert case.get("time") == "0.062"
    assert [child.get("message") for child in case] == ["It does not."] * len(elements)


def test_a_failure_shows_its_case_and_the_output_stands_apart(samples: ModuleType) -> None:
    [failure, output] = cases(samples.starter())["future-tokens-do-not-reach-the-past"]
    told = failure.text or ""

    assert failure.get("message", "").startswith("The logits at position 0 moved by up to 0.318")
    assert "Smallest case found: vocab_size = 7, block_size = 4" in told
    assert "    row 0, tokens: 3 | 1 | ✎ 4 → 5\n    row 0, logits: ✗ moved | ✗ moved | ≠ moved" in told
    assert "    model = GPT(GPTConfig(vocab_size=7" in told
    assert (output.tag, output.text) == ("system-out", "attn torch.Size([2, 3, 3])\n")
    assert "attn" not in told


def test_what_is_blocked_says_what_to_see_to(samples: ModuleType) -> None:
    [skipped] = cases(samples.half_done())["hand-off"]

    assert skipped.get("message") == "Waits until these are right: masking, position"


def test_points_are_properties_and_never_rounded_up(samples: ModuleType) -> None:
    told = properties(replace(samples.half_done(), score=99.999))

    assert (told["score"], told["max_score"], told["seed"]) == ("99.99", "100", str(samples.SEED))
    assert (told["masking.score"], told["masking.max_score"], told["masking.status"]) == ("6", "15", "partly")
    assert "seed" not in properties(for_audience(samples.half_done(), Audience.LEARNER))
