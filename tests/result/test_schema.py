"""The published schema is the one of the code, and holds for what a grade writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grader.exercise.model import Exercise
from grader.result.audience import for_audience
from grader.result.record import Audience, Result, to_json
from grader.result.schema import DOCS, SCHEMAS, main, text_of

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def results(grade_files: Callable[..., Result], exercise: Exercise) -> dict[str, Result]:
    """A grade with full marks, one of the starter's code that crashes, and what a learner sees of each."""
    files = exercise.reference
    full = grade_files(files, only=("masking", "kv-cache"))
    broken = grade_files(files | {"model.py": "raise RuntimeError('no')\n"}, only=("masking", "training-step"))
    return {
        "full": full,
        "broken": broken,
        "full-learner": for_audience(full, Audience.LEARNER),
        "broken-learner": for_audience(broken, Audience.LEARNER),
    }


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    published = json.loads((DOCS / "result.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    return jsonschema.Draft202012Validator(published)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_published_schema_is_up_to_date(name: str) -> None:
    assert text_of(name) == (DOCS / name).read_text("utf-8"), "write it again with: python -m grader.result.schema"
    assert main(["--check"]) == 0


def test_a_stale_or_missing_schema_is_told_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.schema.json"

    assert main(["--check", "-o", str(tmp_path)]) == 1
    assert "result.schema.json is stale" in capsys.readouterr().err
    assert main(["-o", str(tmp_path)]) == 0
    assert main(["--check", "-o", str(tmp_path)]) == 0
    path.write_text(path.read_text() + " ")
    assert main(["--check", "-o", str(tmp_path)]) == 1


@pytest.mark.parametrize("which", ["full", "broken", "full-learner", "broken-learner"])
def test_what_a_grade_writes_is_valid(
    which: str, results: dict[str, Result], validator: jsonschema.Draft202012Validator
) -> None:
    data = json.loads(to_json(results[which]))

    assert [error.message for error in validator.iter_errors(data)] == []


def item(data: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(data, "items")[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda d: d.update(extra=1), "'extra' was unexpected", id="field"),
        pytest.param(lambda d: item(d).update(extra=1), "'extra' was unexpected", id="item-field"),
        pytest.param(lambda d: item(d)["checks"][0].update(extra=1), "'extra' was unexpected", id="check-field"),
        pytest.param(lambda d: d["environment"].update(extra=1), "'extra' was unexpected", id="environment-field"),
        pytest.param(lambda d: item(d)["checks"][0].update(outcome="won"), "'won' is not one of", id="outcome"),
        pytest.param(lambda d: item(d).update(status="great"), "'great' is not one of", id="status"),
        pytest.param(lambda d: item(d)["checks"][0].update(role="star"), "'star' is not one of", id="role"),
        pytest.param(lambda d: d.update(audience="public"), "'public' is not one of", id="audience"),
        pytest.param(lambda d: d.update(schema_version=3), "3 is greater than the maximum of 2", id="version"),
        pytest.param(lambda d: d.update(score=-1), "-1 is less than the minimum of 0", id="score"),
        pytest.param(lambda d: d.pop("exercise"), "'exercise' is a required property", id="missing"),
    ],
)
def test_what_no_grade_writes_is_not_valid(
    change: Change, message: str, results: dict[str, Result], validator: jsonschema.Draft202012Validator
) -> None:
    data = json.loads(to_json(results["full"]))
    change(data)

    assert any(message in error.message for error in validator.iter_errors(data))
