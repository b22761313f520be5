"""Checks of attention with more heads than one."""

from typing import Final

from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import first_difference, same_bits
from grader.checks.configuration_cases import (
    HeadCase,
    HeadDecodeCase,
    head_case,
    head_cases,
    head_decode_case,
    head_decode_cases,
)
from grader.checks.families.kv_cache import cache_unchanged, cached_equals_full
from grader.checks.families.masking import MODEL_WORKS, future_is_hidden, require_hidden_future
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import moved_rows
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Forward, OneHead, Parameters, Precision
from grader.sandbox.wire import Array


def _heads_are_separate_snippet(case: HeadCase) -> str:
    """Listen to one head at a time; what the others compute must not matter."""
    return model_snippet(
        case,
        f"""
from copy import deepcopy

for head in range({case.n_head}):
    others = torch.arange({case.d_model}) // {case.d_model // case.n_head} != head  # the channels of the other heads
    heard = deepcopy(model)
    for block in heard.blocks:
        block.attn.proj.weight[:, others] = 0  # nothing reads them any more
    changed = deepcopy(heard)
    for block in changed.blocks:
        for layer in (block.attn.query, block.attn.key, block.attn.value):
            layer.weight[others] += 1
    moved = (changed(tokens) - heard(tokens)).abs().max()
    print(head, float(moved))
    assert moved <= 1e-9, f"what is heard of head {{head}} depends on the weights of the others"
""",
    )


@check(cases=head_cases(), snippet=_heads_are_separate_snippet, needs=(forward_runs,), examples=6)
def heads_are_separate(case: HeadCase, context: Context) -> None:
    """With several heads, each attends by itself, within its own part of the width.

    ## Why it matters
    Heads are there to look at different things at once. Heads that are mixed up still train, so nothing shows, until
    weights that were trained elsewhere are loaded and mean nothing.

    ## Usual causes
    - The width is cut into heads by a reshape that does not keep each token's vector together.
    - The results of the heads are joined in another order than they were cut in.
    - Scores are scaled by the width of the model instead of the width of a head.
    - The number of heads comes from another setting, or all heads share what each should have of its own.
    """
    # The logits of a model with several heads, in float64, beside those of a right one with the same weights.
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer, expected = context.both(question, {"tokens.0": case.token_array()})
    lane = closeness(answer["logits.0"], expected["logits.0"])
    if lane is None:
        raise CheckFailed(
            "heads-differ",
            "every head attends with its own rows of the query, key and value weights, and nothing else",
            f"with d_model={case.d_model} and n_head={case.n_head} the logits differ (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )
    context.lanes.add(lane)


@check(
    cases=head_cases(),
    confirm=future_is_hidden.confirm,
    at_size=head_case,
    snippet=future_is_hidden.snippet,
    needs=(forward_runs, future_is_hidden),
    examples=4,
)
def heads_are_causal(case: HeadCase, context: Context) -> None:
    """With several heads, changing a later token never changes the logits before it.

    ## Why it matters
    A mask can be right and the future leak all the same: when axes are mixed up where heads are cut or joined, what
    the mask calls a position is not one. A model of one head has nothing to mix up, and shows nothing.

    ## Usual causes
    - Heads are cut by a reshape to (B, H, T, D), without swapping axes after a reshape to (B, T, H, D).
    - The results of the heads are reshaped to (B, T, C) without swapping the axes back before.
    - The mask is broadcast along the wrong axis of the scores (B, H, T, T).
    """
    # What is asked of one head.
    require_hidden_future(case, context)


def _rows_ignore_each_other_snippet(case: HeadCase) -> str:
    """Change all rows but one."""
    return model_snippet(
        case,
        f"""
before = model(tokens)
for row in range(len(tokens)):
    changed = (tokens + 1) % {case.vocab_size}
    changed[row] = tokens[row]
    after = model(changed)
    print(row, float((after[row] - before[row]).abs().max()))
    assert torch.equal(after[row], before[row]), f"row {{row}} depends on the other rows"
""",
    )


@check(
    cases=head_cases(rows=(2, 3)),
    snippet=_rows_ignore_each_other_snippet,
    needs=(forward_runs,),
    examples=3,
)
def rows_ignore_each_other(case: HeadCase, context: Context) -> None:
    """With several heads, a row of the batch has the same bits whatever the other rows hold.

    ## Why it matters
    A batch is a way to save time. With a head axis beside the batch axis there are two that are easily taken for each
    other, and every shape still fits: then one text is answered with what was read in another.

    ## Usual causes
    - The results of the heads are joined after the head axis was swapped with the batch instead of the time.
    - Heads are folded into the batch, and unfolded in another order.
    - Something is averaged over the batch.
    """
    # In both precisions: all rows but one are replaced, and that one keeps its bits.
    _holds_in("float32", case, context)
    _holds_in("float64", case, context)


def _holds_in(precision: Precision, case: HeadCase, context: Context) -> None:
    tokens = case.token_array()
    batches = [tokens, *(_all_others_changed(case, row) for row in range(len(tokens)))]
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision=precision)
    answer = context.ask(question, {f"tokens.{i}": batch for i, batch in enumerate(batches)})
    for row in range(len(tokens)):
        moved = moved_rows(answer[f"logits.{row + 1}"], answer["logits.0"])
        if any(other == row for other, _ in moved):
            raise CheckFailed(
                "rows-leak",
                "the logits of a row stay the same, bit for bit, when other rows of the batch change",
                f"all rows but {row} were changed, and the logits of row {row} moved",
                grid=TokenGrid(
                    tokens=case.tokens,
                    changed=tuple((r, t) for r in range(len(tokens)) if r != row for t in range(case.length)),
                    moved=tuple(moved),
                ),
            )


def _all_others_changed(case: HeadCase, row: int) -> Array:
    tokens = (case.token_array() + 1) % case.vocab_size
    tokens[row] = case.token_array()[row]
    return tokens


HEADS: Final = 2  # d_model is even
PRECISIONS: Final[tuple[Precision, ...]] = ("float32", "float64")


def _one_head_is_plain_snippet(case: ModelCase) -> str:
    """Put the one class in the place of the other, with the same weights."""
    return model_snippet(
        case,
        f"""
from dataclasses import replace

many = type(GPT(replace(model.config, n_head={HEADS})).blocks[0].attn)
before = model(tokens)
for block in model.blocks:
    attention = many(model.config).double()
    attention.load_state_dict(block.attn.state_dict())
    block.attn = attention
moved = (model(tokens) - before).abs().amax(dim=2)  # (B, T)
print(moved)
assert torch.equal(model(tokens), before), "the class for several heads computes one head otherwise"
""",
    )


@check(cases=model_cases(), snippet=_one_head_is_plain_snippet, needs=(forward_runs,), examples=3)
def one_head_is_plain(case: ModelCase, context: Context) -> None:
    """Made for one head, attention for several heads gives bit for bit what attention with one head gives.

    ## Why it matters
    One head is several heads whose number is one: nothing is cut, and nothing has to be joined. Where both are written
    over one attention function, the same numbers are added in the same order, and any bit that differs is a difference
    between the two that somebody made.

    ## Usual causes
    - Attention is written out a second time for several heads, and one of the two is changed later.
    - One of them scales its scores before the product and the other after it.
    - Something is done in one of them alone: a projection, a dropout, a mask.
    """
    # The class of several heads in the place of a model's own; one that cannot stand there says nothing.
    for precision in PRECISIONS:
        question = OneHead(config=case.config, weights=case.seeded(context.seeds), precision=precision, heads=HEADS)
        answer = context.ask(question, {"tokens": case.token_array()})
        grafted = answer.get("grafted")
        if grafted is not None and not same_bits(grafted, answer["own"]):
            raise CheckFailed(
                "one-head-differs",
                "one head is computed alike, bit for bit, by the class for one head and the class for several",
                f"in a {precision} model of one head, the class for several heads gives logits with other bits",
                grid=TokenGrid(tokens=case.tokens),
            )


@check(cases=head_cases(), needs=(forward_runs, parameter_shapes), examples=3)
def heads_leave_the_start(case: HeadCase, context: Context) -> None:
    """However many heads there are, every parameter starts with the same bits for the same seed.

    ## Why it matters
    Heads are a way to read the same matrices. If their number changes what is drawn, two models that should differ in
    one thing only start from different places, and nothing that is measured between them is about heads.

    ## Usual causes
    - Attention for several heads makes or draws layers of its own, which shifts everything that is drawn later.
    - The spread of some weights depends on the width or the number of heads.
    - Parameters are made in another order, or under other names.
    """
    # The initial parameters of one head, and of several.
    seed = context.seeds.derive("heads", case.weights) % 2**31
    one = context.ask(Parameters(config={**case.config, "n_head": 1}, seed=seed), {})
    several = context.ask(Parameters(config=case.config, seed=seed), {})
    difference = first_difference(several, one)
    if difference is not None:
        raise CheckFailed(
            "start-differs",
            "the same seed gives the same parameters, with one head and with several",
            f"{difference.tensor} with n_head={case.n_head}: {difference.actual}; with n_head=1: {difference.expected}",
        )


@check(
    cases=head_decode_cases(),
    at_size=head_decode_case,
    snippet=cached_equals_full.snippet,
    needs=(*MODEL_WORKS, cached_equals_full),
    examples=6,
    after="decoding-without-dropout",
)
def cached_heads_equal_full(case: HeadDecodeCase, context: Context) -> None:
    """With several heads, decoding in chunks gives the same logits as one forward over everything.

    ## Why it matters
    Cached decoding is a second path through attention. It has to cut, mask and join the heads like the first, and it is
    the path that a reader of the generated text gets.

    ## Usual causes
    - New keys and values are put behind the old ones along the wrong axis.
    - One of the two paths cuts or joins the heads otherwise.
    - What is cached has been joined already, so that heads are cut from it again, and differently.
    """
    # What is asked of one head.
    cached_equals_full(case, context)


@check(cases=head_decode_cases(), needs=(*MODEL_WORKS, cache_unchanged), examples=3, after="cached-heads-equal-full")
def cached_heads_unchanged(case: HeadDecodeCase, context: Context) -> None:
    """With several heads too, a cache that was passed in is left as it was.

    ## Why it matters
    Attention with several heads often has a cached path of its own. What is joined to the cache there must not be
    written into it: another continuation of the same cache would read it.

    ## Usual causes
    - New keys are written into the old tensors in one of the two paths.
    """
    # What is asked of one head.
    cache_unchanged(case, context)
