"""generate() continues with the most likely token at every step, with and without the cache.

## Why it matters
This is what the model is for. With the cache it must say the same, only sooner.

## Usual causes
- After the first step the whole sequence is fed again on top of the cache.
- The token is taken from the first position of the chunk instead of the last.
- The prompt is missing from what is returned.
- With the cache, all is computed anew for every token.
"""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.cache.agreement import joined
from grader.checks.cache.cases import MODEL_WORKS, DecodeCase
from grader.checks.check import Bench, Check, Counterexample
from grader.checks.grids import logits_of
from grader.compare import TOLERANCES
from grader.extent import Extent, at_most
from grader.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Generate
from grader.sandbox.wire import Array
from grader.strategies import FEW, extended, model_case, model_cases

PROMPT: Final = 30  # tokens of the prompt that work is counted with: of so many, one more is a thirtieth
MORE: Final = 7  # tokens after the first, whose work is counted together: none of them may be let off
SHARE: Final = 1 / 3  # of the work of the prompt, for each; keys and values made anew from what is kept take a fifth


@st.composite
def prompts(draw: DrawFn) -> DecodeCase:
    """A prompt of distinct tokens and how many to add, as the two chunks of a case.

    Rows enough that not all go on as they would from another position of the prompt.
    The vocabulary is larger than the model is wide, so that every column of the logits is a token, whatever
    width a wrong output projection gives them.
    """
    case = draw(model_cases(lengths=(2, 4), rows=(2, 6), distinct=True).filter(lambda c: c.vocab_size > c.d_model))
    new = draw(st.integers(2, 4))
    return extended(case, DecodeCase, block_size=case.length + new, chunks=(case.length, new))


def long_continuation(extent: Extent) -> DecodeCase:
    """A prompt, to be gone on with until there are as many tokens as that, in a model of one layer."""
    prompt = min(3, extent.tokens - 1)
    case = model_case(at_most(extent, tokens=prompt, layers=1, rows=1))
    return extended(case, DecodeCase, block_size=extent.tokens, chunks=(prompt, extent.tokens - prompt))


def holds(case: DecodeCase, bench: Bench) -> None:
    """Each new token has the highest score, or one as high up to rounding, given the tokens before it."""
    prompt, new = case.token_array(), case.chunks[1]
    weights = case.seeded(bench.seeds)
    for use_cache in (True, False):
        question = Generate(config=case.config, weights=weights, max_new_tokens=new, use_cache=use_cache)
        tokens = bench.ask(question, {"prompt": prompt})["tokens"]
        claim = f"generate(prompt, {new}, use_cache={use_cache}) returns the prompt and {new} greedy tokens"
        if tokens.shape != (len(prompt), case.length + new) or not np.array_equal(tokens[:, : case.length], prompt):
            raise Counterexample("not-continued", claim, f"it returned {tokens.dtype} of shape {tuple(tokens.shape)}")
        if tokens.dtype != np.int64 or tokens.min() < 0 or tokens.max() >= case.vocab_size:
            raise Counterexample("not-tokens", claim, "it returned something that is no token of the vocabulary")
        wrong = _first_not_greedy(tokens, _scores(case, bench, tokens, cached=use_cache), case.length)
        if wrong is not None:
            row, t = wrong
            raise Counterexample(
                "not-greedy",
                claim,
                f"the token at position {t} of row {row} is not the one with the highest score",
                grid=TokenGrid(tokens=tuple(map(tuple, tokens.tolist())), named=((row, t),)),
            )


def confirm(case: DecodeCase, bench: Bench) -> None:
    """After a long prompt, more tokens are less work each than a third of what the prompt took.

    Counted by the candidate's own process, so that who wants to can lie. What is computed is judged by the others.
    """
    prompt = np.resize(case.token_array(), (1, PROMPT))
    config = case.config | {"block_size": PROMPT + 1 + MORE}
    first, all_of_them = (
        int(
            bench.ask(
                Generate(
                    config=config, weights=case.seeded(bench.seeds), max_new_tokens=new, use_cache=True, count=True
                ),
                {"prompt": prompt},
            )["operations"]
        )
        for new in (1, 1 + MORE)
    )
    if all_of_them - first > SHARE * MORE * first:
        raise Counterexample(
            "recomputed",
            "with use_cache=True a new token costs the work of one token",
            f"after a prompt of {PROMPT} tokens and the first new one, {MORE} more were "
            f"{all_of_them / max(first, 1) - 1:.1f} times as much work as the prompt",
        )


def _scores(case: DecodeCase, bench: Bench, tokens: Array, *, cached: bool) -> Array:
    """Logits (B, T, V) of the generated sequence, computed the way the generation claims to have."""
    weights = case.seeded(bench.seeds)
    if not cached:
        answer = bench.ask(Forward(config=case.config, weights=weights), {"tokens.0": tokens})
        return logits_of(answer, "logits.0", tokens)
    steps = case.chunks[1] - 1
    cuts = [case.length, *([1] * steps if steps <= FEW else [steps])]
    starts = np.cumsum([0, *cuts])
    chunks = {f"chunk.{i}": tokens[:, starts[i] : starts[i + 1]].copy() for i in range(len(cuts))}
    parents = tuple(range(-1, len(cuts) - 1))
    answer = bench.ask(Decode(config=case.config, weights=weights, parents=parents), chunks)
    return logits_of({"decoded": joined([answer[f"logits.{i}"] for i in range(len(cuts))])}, "decoded", tokens[:, :-1])


def _first_not_greedy(tokens: Array, logits: Array, prompt: int) -> tuple[int, int] | None:
    """(row, position) of the first generated token that another one beats by more than rounding."""
    slack = TOLERANCES["logits, softmax in float32"].relative * float(np.max(np.abs(logits), initial=0.0))
    for t in range(prompt, tokens.shape[1]):
        scores = logits[:, t - 1]
        for row in range(len(tokens)):
            chosen = tokens[row, t]
            if chosen >= scores.shape[-1] or not scores[row, chosen] >= scores[row].max() - slack:
                return row, t
    return None


CHECK = Check(
    id="generate-is-greedy",
    needs=MODEL_WORKS,
    cases=prompts(),
    holds=holds,
    at_size=long_continuation,
    confirm=confirm,
    examples=6,
)
