"""What is taken out is not built, and what is built and crashes is wrong, with the line that it crashes at."""

import ast
from collections.abc import Callable

import pytest

from grader.exercise.model import Exercise
from grader.report import render_text
from grader.result.record import Result, Status

FOLLOW_UPS = ("loss-weighting", "position-schemes")
TAKEN_OUT = {
    "model.py": ("forward_incremental", "_generate_incrementally"),
    "followups.py": ("build_positions", "build_attention"),
    "train.py": ("constant_weight", "warmup_weight", "uncertainty_weighting", "gradient_norm_weight"),
}


def without(text: str, function: str) -> str:
    """The text without the lines of a function."""
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef) and node.name == function]
    [node] = found
    lines = text.splitlines(keepends=True)
    return "".join(lines[: node.lineno - 1] + lines[node.end_lineno :])


@pytest.mark.parametrize("keeps_the_file", [True, False])
def test_functions_that_are_taken_out_are_not_built(
    keeps_the_file: bool, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    # A grade: how the status follows from what a worker raises is in no smaller piece.
    files = exercise.starter()
    for file, names in TAKEN_OUT.items():
        for name in names:
            files[file] = without(files[file], name)
    if not keeps_the_file:
        del files["followups.py"]
    result = grade_files(files, only=("kv-cache", *FOLLOW_UPS), explain=False)

    assert result.load_faults == ()
    statuses = {item.id: item.status for item in result.items} | {part.id: part.status for part in result.followups}
    assert statuses == dict.fromkeys(("kv-cache", *FOLLOW_UPS), Status.NOT_BUILT)


def test_what_is_built_and_crashes_is_wrong_and_says_where(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    before = "    def forward_incremental("
    crash = '    def forward_incremental(self, *_, **__):\n        return {}["k"]\n\n'
    model = exercise.reference["model.py"].replace(before, f"{crash}{before.replace('forward', 'other')}", 1)
    line = model[: model.index('return {}["k"]')].count("\n") + 1
    result = grade_files(exercise.reference | {"model.py": model}, only=("kv-cache",), explain=False)

    assert result.items[0].status is Status.WRONG
    assert f"KeyError: 'k' (model.py, line {line})" in render_text(result)
