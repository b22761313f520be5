"""generate() adds as many tokens as it is asked for, and changes nothing else.

## Why it matters
Texts are generated in the middle of training, to see how it goes. A model that comes back in another mode trains on in
it; a graph that nobody differentiates takes all the memory there is; a prompt that was written into is lost.

## Usual causes
- `self.eval()` is called and never taken back, or taken back for the outermost module alone.
- Gradients are not turned off.
- New tokens are written into the prompt.
- A generator is seeded, so that everything drawn afterwards is the same each time.
"""

from typing import Final, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.cache.cases import MODEL_WORKS, DecodeCase
from grader.checks.check import Check, CheckFailed, Context
from grader.checks.determinism.forward_leaves_no_trace import forward_is_to_blame
from grader.checks.snippets import model_snippet
from grader.checks.strategies import extended, model_cases
from grader.checks.traces import require_inputs_kept, require_no_trace
from grader.packages.package import PackageRaised
from grader.sandbox.questions import Modes, Watched
from grader.sandbox.wire import Array, Tensors

MODES: Final[tuple[Modes, ...]] = get_args(Modes)
CLAIM = "generate leaves prompt, parameters, gradients, modes, settings and random generators as they were"


@st.composite
def prompts(draw: DrawFn) -> DecodeCase:
    """A prompt and how many tokens to add, as the two chunks of a case."""
    case = draw(model_cases(lengths=(2, 4), rows=(2, 3)).filter(lambda c: c.vocab_size > c.d_model))
    new = draw(st.integers(9, 16))
    return extended(case, DecodeCase, block_size=case.length + new, chunks=(case.length, new))


def holds(case: DecodeCase, context: Context) -> None:
    """Whatever generation does that a forward pass by itself does not."""
    try:
        _leaves_no_trace(case, context)
    except CheckFailed:
        if not forward_is_to_blame(case.config, case.seeded(context.seeds), _tokens(case, context), context):
            raise


def _leaves_no_trace(case: DecodeCase, context: Context) -> None:
    """Without the cache, and with it where it is built; then a chunk read into a new cache."""
    _generates(case, context, use_cache=False)
    try:
        _generates(case, context, use_cache=True)
        tokens = _tokens(case, context)
        for modes in MODES:
            question = Watched(
                config=case.config, weights=case.seeded(context.seeds), call="forward-incremental", modes=modes
            )
            answer = context.ask(question, {"tokens": tokens})
            claim = CLAIM.replace("generate leaves prompt", "forward_incremental leaves tokens")
            _kept(claim, answer, tokens, f"forward_incremental in {modes} mode")
    except PackageRaised as raised:
        if not raised.unbuilt:
            raise


def _generates(case: DecodeCase, context: Context, *, use_cache: bool) -> None:
    prompt = _tokens(case, context)
    for modes, new in zip(MODES, (0, 1, case.chunks[1]), strict=True):
        answer = context.ask(_question(case, context, modes, new, use_cache=use_cache), {"tokens": prompt})
        words = f"generate(prompt, {new}, use_cache={use_cache})"
        if "refused" in answer:
            raise CheckFailed("refused", f"{words} fits into block_size={case.block_size}", "it is a ValueError")
        require_inputs_kept(CLAIM, "tokens", prompt, answer["tokens"])
        shape = (len(prompt), case.length + new)
        result = answer["result.0"]
        if result.shape != shape or not np.array_equal(result[:, : case.length], prompt):
            raise CheckFailed(
                "not-continued",
                f"{words} returns the prompt and {new} tokens more",
                f"for a prompt of shape {prompt.shape} it returns {result.dtype} of shape {tuple(result.shape)}",
            )
        _kept(CLAIM, answer, prompt, f"{words} of a model in {modes} mode")
        if answer["saved"]:
            raise CheckFailed(
                "graph", "generate builds no graph", f"{words} keeps {int(answer['saved'])} tensors to go backwards"
            )
    too_many = _question(case, context, "eval", case.chunks[1] + 1, use_cache=use_cache)
    answer = context.ask(replace(too_many, count_calls=True), {"tokens": prompt})
    if answer.get("refused", 1):
        raise CheckFailed(
            "late",
            "generate refuses what does not fit into the block before it computes anything",
            f"with use_cache={use_cache} and a token too many, "
            + (f"it calls {int(answer['refused'])} modules first" if "refused" in answer else "there is no ValueError"),
        )


def _tokens(case: DecodeCase, context: Context) -> Array:
    """Not those that were drawn: the simplest of these are all alike, and hide what is written over them."""
    random = np.random.default_rng(context.seeds.derive("no trace", case.weights))
    return random.integers(1, case.vocab_size, case.token_array().shape)


def _question(case: DecodeCase, context: Context, modes: Modes, new: int, *, use_cache: bool) -> Watched:
    weights = case.seeded(context.seeds)
    return Watched(
        config=case.config, weights=weights, call="generate", modes=modes, max_new_tokens=new, use_cache=use_cache
    )


def _kept(claim: str, answer: Tensors, tokens: Array, where: str) -> None:
    require_inputs_kept(claim, "tokens", tokens, answer["tokens"])
    require_no_trace(claim, answer, where=where)


def snippet(case: DecodeCase) -> str:
    """The same by hand, without the cache."""
    return model_snippet(
        case,
        f"""
model.train()
from torch.autograd.graph import saved_tensors_hooks

given, state, saved = tokens.clone(), torch.get_rng_state(), []
hooks = saved_tensors_hooks(lambda tensor: saved.append(1) or tensor, lambda tensor: tensor)
with torch.enable_grad(), hooks:
    text = model.generate(tokens, {case.chunks[1]}, use_cache=False)
print(text.shape)
assert text.shape[1] == tokens.shape[1] + {case.chunks[1]}, "not as many tokens as were asked for"
assert not saved, "generate builds a graph"
assert torch.equal(tokens, given), "generate has written into its prompt"
assert torch.equal(torch.get_rng_state(), state), "generate has moved torch's random generator"
assert all(module.training for module in model.modules()), "generate has changed the mode"
""",
    )


CHECK = Check(
    id="generate-leaves-no-trace",
    cases=prompts(),
    holds=holds,
    snippet=snippet,
    needs=MODEL_WORKS,
    examples=1,
)
