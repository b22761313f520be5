"""Checks of positional addition."""

import numpy as np

from grader.checks.ablation import SILENT_ATTENTION, silence
from grader.checks.agreement import closeness, joined
from grader.checks.check import CheckFailed, Context, check
from grader.checks.decoding_cases import DecodeCase, decode_cases
from grader.checks.families.attention import attention_alone
from grader.checks.families.masking import future_is_hidden, past_is_seen
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import altered, beyond_rounding, logits_of, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, FRESH, LARGE, ModelCase, drawn_scale, larger, model_case, model_cases
from grader.checks.training_cases import given, tables
from grader.packages.trouble import PackageRaised
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward
from grader.sandbox.wire import Array, Tensors
from grader.sizes import MODEL, Extent, at_most


def one_token(case: ModelCase) -> Array:
    """Each row of the case repeats its first token."""
    return np.repeat(case.token_array()[:, :1], case.length, axis=1)


def one_layer(extent: Extent) -> ModelCase:
    """A batch of the default sizes, or beyond them many short rows for a single layer."""
    return model_case(at_most(extent, layers=1, tokens=12) if extent.draw else extent)


def _same_token_other_position_snippet(case: ModelCase) -> str:
    """One token, repeated."""
    return model_snippet(
        case,
        """
logits = model(tokens[:, :1].repeat(1, tokens.size(1)))
steps = logits.diff(dim=1).abs().amax(dim=2)  # (B, T - 1)
print(steps)
assert (steps > 1e-6).all(), "the same token has the same logits at different positions"
""",
    )


@check(
    cases=model_cases(layers=(1,)),
    in_training=True,
    at_size=one_layer,
    default=MODEL,
    snippet=_same_token_other_position_snippet,
    needs=(forward_runs, past_is_seen),
    examples=4,
)
def same_token_other_position(case: ModelCase, context: Context) -> None:
    """The same token at different positions gives different logits.

    ## Why it matters
    Attention by itself has no notion of order. Without positions, "dog bites man" and "man bites dog" are the
    same bag of words.

    ## Usual causes
    - The position embedding is computed and not added, or the sum is thrown away.
    - Every position looks up the same row of the table.
    - Positions are counted along the batch instead of along time.
    """
    # In one layer, a row that repeats one token has different logits at every position.
    tokens = one_token(case)
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=drawn_scale(case)))
    answer, variant = context.both(question, {"tokens.0": tokens})
    differs, expected = _apart(logits_of(answer, "logits.0", tokens)), _apart(variant["logits.0"])
    blind = np.argwhere(expected & ~differs)
    if len(blind):
        row, t = (int(i) for i in blind[0])
        raise CheckFailed(
            "position-blind",
            "a repeated token has different logits at different positions",
            f"the same token stands at positions {t} and {t + 1}, and the logits are the same",
            grid=TokenGrid(tokens=tuple(map(tuple, tokens.tolist())), named=((row, t), (row, t + 1))),
        )


def _apart(logits: Array) -> Array:
    """(B, T - 1): whether the logits at t and t + 1 differ by more than rounding. NaN differs from nothing."""
    return beyond_rounding(logits[:, 1:], logits[:, :-1])


def one_text(extent: Extent) -> ModelCase:
    """One text of these sizes: each row of the table takes a forward of its own."""
    return model_case(at_most(extent, rows=1))


def _position_row_reach_snippet(case: ModelCase) -> str:
    """Replace one row of the table after the other."""
    return model_snippet(
        case,
        """
before, T = model(tokens), tokens.size(1)
for r in range(model.position_embedding.weight.size(0)):
    kept = model.position_embedding.weight[r].clone()
    model.position_embedding.weight[r] = torch.randn_like(kept)
    moved = (model(tokens) != before).any(dim=2).any(dim=0)  # (T,)
    model.position_embedding.weight[r] = kept
    print(r, moved.int().tolist())
    assert moved.tolist() == [t >= r for t in range(T)], f"row {r} moves the wrong positions"
""",
    )


@check(
    cases=model_cases(layers=(1,), lengths=(2, 5)),
    in_training=True,
    at_size=one_text,
    snippet=_position_row_reach_snippet,
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=4,
)
def position_row_reach(case: ModelCase, context: Context) -> None:
    """Each row of the position table moves exactly the logits from its own position on.

    ## Why it matters
    Row r of the table says "I am at position r". It must reach position r and what attends to it, and rows
    beyond the sequence must not matter at all.

    ## Usual causes
    - Positions start at another number than 0, or run backwards.
    - Positions are counted along the batch, or depend on the token.
    - The table is added to the wrong axis, or summed over time.
    """
    # Rows are replaced one at a time; of a long table a few, up to the last that is used.
    last = case.length - 1
    table_rows = range(case.block_size) if case.length <= FEW else (last // 2, last - last // 5, last)
    weights = case.seeded(context.seeds, scale=drawn_scale(case))
    question = Forward(config=case.config, weights=weights, position_rows=(-1, *table_rows))
    tokens = {f"tokens.{i}": case.token_array() for i in range(len(table_rows) + 1)}
    answer, variant = context.both(question, tokens)
    for i, row in enumerate(table_rows, 1):
        moved = _moved_by_row(answer, i, tokens["tokens.0"])
        must_move = {(b, t) for b, t in _moved_by_row(variant, i, tokens["tokens.0"]) if t >= row}
        still = sorted(must_move.difference(moved))
        if still:
            raise CheckFailed(
                "row-unused",
                "replacing row r of the position table moves the logits at r and after",
                f"row {row} of the table was replaced, and the logits at position {still[0][1]} did not move",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(still)),
            )
        early = [(b, t) for b, t in moved if t < row]
        if early:
            raise CheckFailed(
                "row-too-early",
                "replacing row r of the position table moves no logits before r",
                f"row {row} of the table was replaced, and the logits at position {early[0][1]} moved",
                grid=TokenGrid(tokens=case.tokens, moved=tuple(moved), wrong=tuple(early)),
            )


def _moved_by_row(answer: Tensors, index: int, tokens: Array) -> list[tuple[int, int]]:
    """(row of the batch, position) that moved by more than rounding. (Bits are for the checks of masking.)"""
    base, other = logits_of(answer, "logits.0", tokens), logits_of(answer, f"logits.{index}", tokens)
    if other.shape != base.shape:
        raise CheckFailed("shape", "logits have one width", f"shapes {base.shape} and {other.shape}")
    return places(beyond_rounding(other, base))


def _order_matters_snippet(case: ModelCase) -> str:
    """Swap the first two tokens."""
    return model_snippet(
        case,
        """
swapped = tokens.clone()
swapped[:, [0, 1]] = swapped[:, [1, 0]]
rows = tokens[:, 0] != tokens[:, 1]  # rows where the swap changes something
moved = (model(tokens) - model(swapped))[rows, -1].abs().amax(dim=1)
print(moved)
assert (moved > 1e-6).all(), "the order of earlier tokens does not matter"
""",
    )


@check(
    cases=model_cases(layers=(1,), lengths=(3, 6)),
    snippet=_order_matters_snippet,
    needs=(forward_runs, past_is_seen, attention_alone),
    examples=5,
)
def order_matters(case: ModelCase, context: Context) -> None:
    """Swapping two earlier tokens changes what comes after them.

    ## Why it matters
    In a single layer, attention without positions only counts which tokens came before, not in which order.
    (Deeper models leak some order through the causal mask, which hides the bug. That is why this is asked of
    one layer.)

    ## Usual causes
    - The position embedding never reaches the residual stream.
    - All tokens get the embedding of one position.
    """
    require_order(case, context, scale=drawn_scale(case))


def require_order(case: ModelCase, context: Context, scale: float) -> None:
    """The first two tokens change places; the last logits must move where a correct model's move.

    Args:
        scale: the standard deviation of the weights.
    """
    swapped = case.token_array()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=scale))
    answer, variant = context.both(question, {"tokens.0": case.token_array(), "tokens.1": swapped})
    for name in ("logits.0", "logits.1"):
        logits_of(answer, name, swapped)
    moved, must_move = _moved_by_swap(answer), _moved_by_swap(variant)
    still = [(row, t) for row, t in places(must_move & ~moved) if t == case.length - 1]
    if still:
        raise CheckFailed(
            "order-blind",
            "the last logits depend on the order of the tokens before",
            "the first two tokens changed places, and the last logits stayed the same up to rounding",
            grid=altered(case.token_array(), swapped, moved=places(moved), wrong=still),
        )


def _moved_by_swap(answer: Tensors) -> Array:
    return beyond_rounding(answer["logits.1"], answer["logits.0"])


SPLITS = 2


def _positions_are_added_confirm(case: ModelCase, context: Context) -> None:
    """The same of a model that is wider than the default one."""
    positions_are_added(larger(case, context.seeds), context)


def _positions_are_added_snippet(case: ModelCase) -> str:
    """Tables with other rows and the same sums."""
    return model_snippet(
        case,
        """
tokens = tokens[:1]  # all distinct
before, T = model(tokens), tokens.size(1)
moved = torch.randn_like(model.position_embedding.weight[:T])
model.position_embedding.weight[:T] += moved
model.token_embedding.weight[tokens[0]] -= moved
difference = (model(tokens) - before).abs().amax(dim=2)  # (1, T)
print(difference)
assert (difference <= 1e-9).all(), "what the blocks read is not the sum of token and position"
""",
    )


@check(
    cases=model_cases(distinct=True),
    confirm=_positions_are_added_confirm,
    snippet=_positions_are_added_snippet,
    needs=(forward_runs, parameter_shapes, past_is_seen),
    examples=3,
)
def positions_are_added(case: ModelCase, context: Context) -> None:
    """What the first block reads is the row of the token plus the row of its position.

    ## Why it matters
    Added, token and position each keep a direction of their own that later layers can read. Combined in another way,
    one of them can be lost where the other is small, and weights that were trained with a sum mean nothing.

    ## Usual causes
    - The two are multiplied, or one of them is scaled.
    - Positions are counted from another end, along another axis, or not at all.
    - The sum is computed and not kept.
    """
    # One text with tables that are drawn anew, all with the same sums: the logits are the same up to rounding.
    for scale in (LARGE, FRESH):
        _judge(case, context, scale)


def _judge(case: ModelCase, context: Context, scale: float) -> None:
    tokens = case.token_array()[:1]
    random = np.random.default_rng(context.seeds.derive("sums", case.weights))
    stream = random.normal(0.0, scale, (case.length, case.d_model))
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=scale))
    splits = [tables(case, stream, random.normal(0.0, scale, (case.block_size, case.d_model))) for _ in range(SPLITS)]
    answers = [context.ask(question, {"tokens.0": tokens, **given(split)}) for split in splits]
    first, *others = (logits_of(answer, "logits.0", tokens) for answer in answers)
    if any(beyond_rounding(other, first).any() or not np.isfinite(other).all() for other in others):
        raise CheckFailed(
            "sum-differs",
            "the logits depend on the tables of tokens and positions by their sums alone",
            "a number was moved from each row of the one table to the other's, and the logits moved",
            grid=TokenGrid(tokens=case.tokens[:1]),
        )


def _chunks_keep_positions_snippet(case: DecodeCase) -> str:
    """Decode in chunks and in one, without what attention adds."""
    return model_snippet(
        case,
        silence("attn.proj")
        + f"""
whole, _ = model.forward_incremental(tokens)
cache, parts = None, []
for chunk in tokens.split({list(case.chunks)}, dim=1):
    logits, cache = model.forward_incremental(chunk, cache)
    parts.append(logits)
difference = (torch.cat(parts, dim=1) - whole).abs().amax(dim=(0, 2))  # one number a position
print(difference)
assert (difference <= 1e-9).all(), "a token's position depends on the chunk it is in"
""",
    )


@check(
    cases=decode_cases(lengths=(2, 6)),
    snippet=_chunks_keep_positions_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=3,
    after="chunk-is-causal",
)
def chunks_keep_positions(case: DecodeCase, context: Context) -> None:
    """Decoded in chunks, a token is at the position that it has in the whole text.

    ## Why it matters
    A token's position is its place in the text, and not in the chunk that it happens to arrive in. In generation a
    chunk is one token: if positions start again with every chunk, all new tokens stand at the beginning.

    ## Usual causes
    - Positions of a chunk are counted from zero instead of from the number of tokens that are cached.
    - They are counted from the number of chunks, or from the length of the prompt.
    """
    # Attention adds nothing, so that a position is all that a token knows of its place: chunks, beside one chunk.
    weights = case.seeded(context.seeds, factors=SILENT_ATTENTION)
    parents = (*range(-1, len(case.chunks) - 1), -1)
    whole = len(case.chunks)
    question = Decode(config=case.config, weights=weights, parents=parents)
    try:
        answer = context.ask(question, {**case.chunk_tensors(), f"chunk.{whole}": case.token_array()})
    except PackageRaised as raised:
        if raised.unbuilt:
            return  # there is no chunk yet that could be wrong; that it is to be built is for others to say
        raise
    decoded = joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])
    if closeness(decoded, answer[f"logits.{whole}"]) is None:
        raise CheckFailed(
            "position-by-chunk",
            "a token's position is its place in the text, whatever chunk it is in",
            f"with attention that adds nothing, chunks of {' + '.join(map(str, case.chunks))} tokens"
            " have other logits than one chunk",
            grid=TokenGrid(tokens=case.tokens),
        )
