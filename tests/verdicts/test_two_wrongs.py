"""A wrong cache is not forgiven because the model has a bug of its own, planted or not."""

from collections.abc import Callable

import pytest

from grader.exercise.model import Exercise
from grader.result.record import Result, Status

FINAL_NORM = "        logits = self.lm_head(self.ln_f(x))  # (B, T_new, V)\n"


@pytest.mark.parametrize("diagonal", ["2", "3", "-1"], ids=["the-planted-mask", "a-wider-mask", "a-narrower-mask"])
def test_a_cache_that_omits_the_final_norm_is_not_built(
    diagonal: str, exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    model = exercise.reference["model.py"]
    assert model.count(FINAL_NORM) == 1
    wrong = model.replace(FINAL_NORM, FINAL_NORM.replace("self.ln_f(x)", "x"))
    wrong = wrong.replace("triu(diagonal=1)", f"triu(diagonal={diagonal})")
    result = grade_files(exercise.reference | {"model.py": wrong}, only=("masking", "kv-cache"))

    masking, cache = result.items
    assert (masking.status is Status.FIXED, cache.status is Status.BUILT) == (False, False)
    assert cache.score < cache.max_score
