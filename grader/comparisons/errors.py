"""What a right package refuses, without a cache and with one: that it does is the answer."""

from typing import Final

import numpy as np

from grader.comparisons.comparison import Asked, Comparison, of
from grader.comparisons.forward import CASES
from grader.packages.package import Package
from grader.packages.trouble import PackageMisanswered, PackageRaised
from grader.sandbox.questions import AnyQuestion, Decode, Forward, Generate, ModelQuestion, Parameters, Precision
from grader.sandbox.wire import Array, Tensors
from grader.seeds import Seeds


def refused(oracle: Package, asked: Asked) -> Tensors:
    """``refused``: 1 where the question is met with a ValueError, 0 where it is answered or breaks in another way."""
    refusal = False
    try:
        oracle.ask(*asked)
    except PackageRaised as raised:
        refusal = raised.is_a("ValueError")
    except PackageMisanswered:
        pass
    return {"refused": np.array([int(refusal)])}


def describe(question: AnyQuestion) -> str:
    """``what has to be refused with vocab_size=5, ...``."""
    assert isinstance(question, ModelQuestion | Parameters)
    return f"what has to be refused with {of(question.config)}"


CASE: Final = CASES[0]
ODD_HEADS: Final = CASE.d_model - 1


def _errors_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One token too many, and a width that the heads do not divide."""
    too_long = np.resize(CASE.token_array(), (2, CASE.block_size + 1))
    return [
        (Forward(config=CASE.config, weights=CASE.seeded(seeds), precision=precision), {"tokens.0": too_long}),
        (Parameters(config={**CASE.config, "n_head": ODD_HEADS}, seed=seeds.derive("errors") % 2**31), {}),
    ]


ERRORS: Final = Comparison(id="errors", questions=_errors_questions, describe=describe, answer=refused)


def _cache_errors_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """A full cache and one token more, caches of fewer and of more rows, and a text that will be too long."""
    weights = CASE.seeded(seeds)
    continued = Decode(config=CASE.config, weights=weights, precision=precision, parents=(-1, 0))
    one_more = _tokens(2, 1)
    asked: list[Asked] = [
        (continued, {"chunk.0": read, "chunk.1": one_more})
        for read in (_tokens(2, CASE.block_size), _tokens(1, 3), _tokens(3, 3))
    ]
    for use_cache in (True, False):
        question = Generate(
            config=CASE.config, weights=weights, precision=precision, max_new_tokens=1, use_cache=use_cache
        )
        asked.append((question, {"prompt": _tokens(2, CASE.block_size)}))
    return asked


def _tokens(rows: int, length: int) -> Array:
    return np.resize(CASE.token_array(), (rows, length))


CACHE_ERRORS: Final = Comparison(
    id="cache-errors", questions=_cache_errors_questions, describe=describe, answer=refused
)
