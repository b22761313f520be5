"""Prompts of different lengths, continued together, get the tokens that each gets alone.

## Why it matters
This is what rows of different lengths are for: one prompt after the other is what a batch is to be faster than. Rows
that have all their tokens stay in the batch, and must neither change nor change the others.

## Usual causes
- The next token is put behind the longest prompt instead of behind its own.
- Rows that are done are given a token all the same.
"""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.compare import TOLERANCES
from grader.checks.ragged.agreement import by_row
from grader.checks.ragged.cases import CACHE_WORKS, Lengths, RaggedCase
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Generate
from grader.sandbox.wire import Array

CLAIM: Final = "greedy decoding in a batch of prompts of different lengths gives each the tokens it gets alone"


class Prompts(ModelCase, frozen=True, kw_only=True):
    """Row b is a prompt of its first ``prompts[b]`` tokens, and is to get ``new[b]`` more."""

    prompts: Lengths
    new: Lengths


@st.composite
def prompt_cases(draw: DrawFn) -> Prompts:
    """Some prompts, not all of one length, of which one is continued for a while.

    The vocabulary is larger than the model is wide, so that every column of the logits is a token, whatever width a
    wrong output projection gives them.
    """
    case = draw(model_cases(lengths=(2, 4), rows=(3, 5)).filter(lambda drawn: drawn.vocab_size > drawn.d_model))
    rows = len(case.tokens)
    prompts = draw(st.tuples(*[st.integers(1, case.length)] * rows).filter(lambda drawn: len(set(drawn)) > 1))
    new = draw(st.tuples(*[st.integers(1, 5)] * rows).filter(lambda drawn: max(drawn) > 2))
    return extended(case, Prompts, prompts=prompts, new=new, block_size=max(prompts) + max(new))


def holds(case: Prompts, context: Context) -> None:
    """Each prompt is continued alone; then all are fed those tokens together, and must expect every one of them."""
    texts = [_alone(case, row, context) for row in range(len(case.tokens))]
    fed = _fed(case, texts)
    logits = by_row(fed, context.ask(fed.in_turn(context.seeds), fed.steps()))
    if logits.ndim != 3:
        raise CheckFailed("shape", "each chunk has logits (B, T_new, V)", "they have another shape")
    slack = TOLERANCES["logits, softmax in float32"].relative * float(np.max(np.abs(logits), initial=0.0))
    ends = np.cumsum(fed.totals())
    for row, text in enumerate(texts):
        scores = logits[0, ends[row] - case.new[row] : ends[row]]
        chosen = text[case.prompts[row] :]
        for t, (scored, token) in enumerate(zip(scores, chosen, strict=True), start=case.prompts[row]):
            if token >= len(scored) or not scored[token] >= scored.max() - slack:
                raise CheckFailed(
                    "not-greedy",
                    CLAIM,
                    f"the token at position {t} of row {row} is not the one with the highest score in the batch",
                    grid=TokenGrid(tokens=tuple(tuple(map(int, text)) for text in texts), changed=((row, t),)),
                )


def _alone(case: Prompts, row: int, context: Context) -> Array:
    """A prompt and what the candidate continues it with: (T,)."""
    prompt, new = np.array([case.tokens[row][: case.prompts[row]]]), case.new[row]
    weights = case.seeded(context.seeds)
    question = Generate(config=case.config, weights=weights, max_new_tokens=new, use_cache=True)
    tokens = context.ask(question, {"prompt": prompt})["tokens"]
    if tokens.shape != (1, prompt.size + new) or tokens.dtype != np.int64:
        raise CheckFailed("not-continued", f"generate(prompt, {new}) returns the prompt and {new} tokens", "it did not")
    text: Array = tokens[0]
    return text


def _fed(case: Prompts, texts: list[Array]) -> RaggedCase:
    """The prompts, then a token at a time, for as long as a row has one to be continued."""
    longest = max(map(len, texts))
    singly = tuple(tuple(int(step < new) for new in case.new) for step in range(1, max(case.new)))
    return RaggedCase(
        d_model=case.d_model,
        vocab_size=case.vocab_size,
        n_layer=case.n_layer,
        block_size=case.block_size,
        weights=case.weights,
        tokens=tuple(tuple(map(int, np.resize(text, longest))) for text in texts),
        lengths=(case.prompts, *singly),
    )


CHECK = Check(
    id="ragged-generation",
    cases=prompt_cases(),
    holds=holds,
    needs=(*CACHE_WORKS, "generate-is-greedy"),
    examples=8,
)
