"""Checks of attention masking."""

from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import finite
from grader.checks.decoding_cases import DecodeCase, decode_cases
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import altered, beyond_rounding, logits_of, moved_rows, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import (
    FEW,
    FRESH,
    LARGE,
    ModelCase,
    drawn_scale,
    few_rows,
    larger,
    model_case,
    model_cases,
    positions_to_try,
    small_scale,
)
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised, Trouble
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Influence, Precision
from grader.sandbox.wire import Array
from grader.sizes import MODEL, Extent, at_most

CLAIM: Final = "every logit is a finite number"


def _logits_are_finite_snippet(case: ModelCase) -> str:
    """One forward."""
    return model_snippet(
        case,
        """
finite = model(tokens).isfinite().all(dim=2)  # (B, T)
print(finite.int().tolist())
assert finite.all(), "not all logits are finite"
""",
    )


@check(
    cases=model_cases(lengths=(1, 7)),
    in_training=True,
    at_size=model_case,
    default=MODEL,
    snippet=_logits_are_finite_snippet,
    needs=(forward_runs,),
    examples=4,
    after="forward-runs",
)
def logits_are_finite(case: ModelCase, context: Context) -> None:
    """The logits are finite numbers.

    ## Why it matters
    NaN is no number: it is equal to nothing, larger than nothing, and turns into NaN whatever it touches. A loss that
    is NaN trains nothing, and nothing else about a model that gives it can be judged.

    ## Usual causes
    - A row of the mask hides everything, the position itself too, and a softmax over nothing is 0 / 0.
    - A norm or a mean divides by something that can be zero.
    - A logarithm or a root is taken of something that can be zero or less.
    """
    # One forward in float64: of a row of logits that is not finite, which it is, and which module made it so.
    #
    # Logits of another shape or type are for ``forward_runs`` to tell.
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    tokens = case.token_array()
    logits = context.ask(question, {"tokens.0": tokens})["logits.0"]
    if logits.shape[:-1] != tokens.shape or finite(logits):
        return
    strange = np.asarray(~np.isfinite(logits).all(axis=-1))  # (B, T)
    row, t = places(strange)[0]
    value = "NaN" if np.isnan(logits[row, t]).any() else "infinite"
    raise CheckFailed(
        "not-finite",
        CLAIM,
        f"at position {t} of row {row} the logits are {value}{_made_by(question, case, context)}",
        grid=TokenGrid(tokens=case.tokens, named=((row, t),)),
    )


def _made_by(question: Forward, case: ModelCase, context: Context) -> str:
    """The module that was given finite numbers and gave others, where the candidate's own process can tell."""
    try:
        answer = context.ask(replace(question, trace=True), {"tokens.0": case.token_array()})
    except Trouble:
        return ""
    name = answer["strange.0"].tobytes().decode(errors="replace")
    return f"; {name} is the first module that makes this of finite numbers" if name else ""


HIDDEN = "the logits before a changed token stay the same, bit for bit"


def with_other_future(case: ModelCase, start: int | Array) -> Array:
    """The case's tokens with every token from position ``start`` on, or from those of each row, replaced by another."""
    tokens, places = case.token_array(), np.arange(case.length)
    starts = np.broadcast_to(start, len(tokens))[:, None]  # (B, 1)
    others = np.where(places == starts, tokens + 1, tokens + 1 + places) % case.vocab_size
    return np.where(places >= starts, others, tokens)


def future_is_hidden_confirm(case: ModelCase, context: Context, *, query_scale: float = 1.0) -> None:
    """The changed tokens, and only then the base, in a fresh worker: a model that remembers prefixes of what it
    was asked before has nothing to remember there."""
    with context.candidate.another() as fresh:
        _hidden_again_in("float32", case, context, fresh, query_scale, LARGE if query_scale != 1.0 else FRESH)
        _hidden_again_in("float64", case, context, fresh, query_scale)


DROPOUTS: Final = (0.1, 0.5)


def _hidden_under_dropout_too(case: ModelCase, context: Context) -> None:
    """In a fresh worker; and then, of a text and the same with another second half, in training mode, where the same is
    dropped of both."""
    future_is_hidden_confirm(case, context)
    longer = larger(case, context.seeds)
    half = longer.length // 2
    question = Forward(
        config=longer.config | {"dropout": DROPOUTS[case.weights % len(DROPOUTS)]},
        weights=longer.seeded(context.seeds),
        training=True,
        recording=True,
        seed=case.weights,
    )
    before, after = (  # of two models: one may be left in another mode, which is for other checks to find
        logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)[:, :half]
        for tokens in (longer.token_array(), with_other_future(longer, half))
    )
    if moved := places(beyond_rounding(after, before)):
        row, t = moved[0]
        raise CheckFailed(
            "leak",
            HIDDEN,
            f"in training mode with dropout, tokens from position {half} on were changed, the same was dropped, and "
            f"the logits at position {t} moved",
            grid=TokenGrid(tokens=longer.tokens, moved=((row, t),), wrong=((row, t),)),
        )


def _future_is_hidden_snippet(case: ModelCase, *, query_scale: float = 1.0) -> str:
    """Change the last token; print and require what must not move."""
    return model_snippet(
        case,
        f"""
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
before, after = model(tokens), model(changed)
print((before[:, :-1] - after[:, :-1]).abs().amax(dim=(0, 2)))  # one number a position: all must be 0
assert torch.equal(before[:, :-1], after[:, :-1]), "a later token moved earlier logits"
""",
        query_scale=query_scale,
    )


@check(
    cases=model_cases(lengths=(2, 7)),
    in_training=True,
    confirm=_hidden_under_dropout_too,
    at_size=model_case,
    default=MODEL,
    snippet=_future_is_hidden_snippet,
    needs=(forward_runs,),
    examples=6,
)
def future_is_hidden(case: ModelCase, context: Context) -> None:
    """Changing a later token never changes the logits before it.

    ## Why it matters
    A decoder is trained on every position at once. If a position can see what comes after it, it copies the
    answer instead of predicting it: the loss looks wonderful, and generation, where there is no future to look
    at, produces garbage.

    ## Usual causes
    - The mask starts one diagonal too late, so that each position also sees its successor.
    - The mask is flipped: it hides the past and shows the future.
    - The mask is applied after the softmax, so that the hidden scores still take part in the normalisation.
    - The softmax runs over the wrong axis.
    """
    require_hidden_future(case, context)


def require_hidden_future(case: ModelCase, context: Context, *, query_scale: float = 1.0) -> None:
    """For every position p: tokens from p on are replaced, logits before p must keep their bits.

    In both precisions: what drowns in the rounding of the one still shows in the other. In float32, the precision of
    training, with weights that are as small as a fresh model's, or not as large as elsewhere. Of a long text, one
    precision is enough.
    """
    _hidden_in("float32", case, context, query_scale, LARGE if query_scale != 1.0 else small_scale(case))
    if case.length <= FEW:
        _hidden_in("float64", case, context, query_scale)


def _forward_in(case: ModelCase, context: Context, precision: Precision, query_scale: float, scale: float) -> Forward:
    weights = case.seeded(context.seeds, query_scale=query_scale, scale=scale)
    return Forward(config=case.config, weights=weights, precision=precision)


def _hidden_in(
    precision: Precision, case: ModelCase, context: Context, query_scale: float, scale: float = LARGE
) -> None:
    cuts = positions_to_try(case, first=1)  # each (B,)
    futures = [case.token_array(), *(with_other_future(case, starts) for starts in cuts)]
    question = _forward_in(case, context, precision, query_scale, scale)
    answer = context.ask(question, {f"tokens.{i}": tokens for i, tokens in enumerate(futures)})
    base = answer["logits.0"]
    for i, starts in enumerate(cuts, 1):
        moved = moved_rows(answer[f"logits.{i}"], base)
        early = [(row, t) for row, t in moved if t < starts[row]]
        if early:
            row, t = early[0]
            raise CheckFailed(
                "leak",
                HIDDEN,
                f"tokens from position {starts[row]} on were changed, and the logits at position {t} moved",
                grid=altered(futures[0], futures[i], moved=moved, wrong=early),
            )
    if query_scale != 1.0 and not finite(base):
        raise CheckFailed("not-finite", "logits stay finite when attention scores are large", "NaN or infinity")


def _hidden_again_in(
    precision: Precision, case: ModelCase, context: Context, fresh: Package, query_scale: float, scale: float = LARGE
) -> None:
    start = case.length // 2
    question = _forward_in(case, context, precision, query_scale, scale)
    here = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    changed = fresh.ask(question, {"tokens.0": with_other_future(case, start)})["logits.0"]
    again = fresh.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    early = [(row, t) for row, t in moved_rows(changed, here) if t < start]
    if early:
        raise CheckFailed(
            "leak", HIDDEN, f"asked in a fresh process, the logits at position {early[0][1]} moved with a later token"
        )
    if moved_rows(again, here):
        raise CheckFailed(
            "unsteady",
            "the same question has the same answer",
            "not deterministic: a fresh process answered otherwise",
        )


def one_layer(extent: Extent) -> ModelCase:
    """Some texts of these sizes in a model of one layer."""
    return model_case(at_most(extent, layers=1, rows=8))


def _past_is_seen_snippet(case: ModelCase) -> str:
    """Change each token by itself and look at its own position."""
    return model_snippet(
        case,
        f"""
for s in range(tokens.size(1)):
    changed = tokens.clone()
    changed[:, s] = (changed[:, s] + 1) % {case.vocab_size}
    moved = (model(tokens) != model(changed)).any(dim=2)  # (B, T)
    print(s, moved.int().tolist())
    assert moved[:, s:].all(), f"the token at position {{s}} does not reach every later position"
""",
    )


@check(
    # Mostly of one layer: what it does not see of a text of several tokens, the next one may see through it.
    cases=model_cases(layers=(1, 1, 2), lengths=(3, 8)),
    in_training=True,
    at_size=one_layer,
    snippet=_past_is_seen_snippet,
    needs=(forward_runs,),
    examples=5,
)
def past_is_seen(case: ModelCase, context: Context) -> None:
    """Every earlier token, and the token itself, still reaches the logits.

    ## Why it matters
    A mask that hides too much is as wrong as one that hides too little: the model forgets what it has read, and
    no test for leaks from the future will ever notice.

    ## Usual causes
    - The mask also hides the diagonal, so that a position cannot attend to itself (its first row is then NaN).
    - The mask is flipped, or a window is cut around each position.
    - Rows and columns of the mask are swapped.
    """
    # One token of each row is changed at a time; logits must move wherever they move in a correct model.
    places = positions_to_try(case)  # each (B,)
    questions = [case.token_array() for _ in range(len(places) + 1)]
    rows = np.arange(len(case.tokens))
    for tokens, at in zip(questions[1:], places, strict=True):
        tokens[rows, at] = (tokens[rows, at] + 1) % case.vocab_size
    question = Forward(config=case.config, weights=case.seeded(context.seeds, scale=drawn_scale(case)))
    answer, variant = context.both(question, {f"tokens.{i}": tokens for i, tokens in enumerate(questions)})
    for i, at in enumerate(places, 1):
        moved = moved_rows(answer[f"logits.{i}"], answer["logits.0"])
        must_move = moved_rows(variant[f"logits.{i}"], variant["logits.0"])
        still = sorted({(row, t) for row, t in must_move if t >= at[row]}.difference(moved))
        if still:
            row, t = still[0]
            raise CheckFailed(
                "hidden-past",
                "changing a token moves the logits at its own position and at later ones",
                f"the token at position {at[row]} was changed, and the logits at position {t} did not move",
                grid=altered(questions[0], questions[i], moved=moved, wrong=still),
            )


# A cache over a mask that is wrong in a way that is no known bug has nothing to agree with.
MODEL_WORKS: Final = (forward_runs, future_is_hidden, past_is_seen)


def one_row(extent: Extent) -> ModelCase:
    """One text of these sizes, no token of which occurs twice."""
    return model_case(at_most(extent, rows=1), distinct=True)


def _gradient_is_causal_snippet(case: ModelCase) -> str:
    """The gradient of the first position's logits, by token."""
    return model_snippet(
        case,
        """
with torch.enable_grad():
    logits = model(tokens)
    (gradient,) = torch.autograd.grad(logits[0, 0].square().sum(), model.token_embedding.weight)
reach = gradient[tokens[0]].abs().amax(dim=1)  # (T,): how far each token moves position 0
print(reach)
assert not reach[1:].any(), "position 0 depends on a later token"
""",
    )


@check(
    cases=model_cases(rows=(1, 1), distinct=True),
    # A gradient can be cut where the influence is not: then the logits still move.
    confirm=future_is_hidden_confirm,
    at_size=one_row,
    snippet=_gradient_is_causal_snippet,
    # A head tied to the embedding gives its table a gradient that does not come through the tokens.
    needs=(forward_runs, parameter_shapes),
    examples=4,
)
def gradient_is_causal(case: ModelCase, context: Context) -> None:
    """No gradient flows from a position's logits to a later token.

    ## Why it matters
    The gradient is how a model learns. If it reaches a later token, training will use that path: the model
    learns to look ahead, and loses it when it has to generate.

    ## Usual causes
    - The mask lets a position see its successor.
    - The mask is applied after the softmax: hidden scores still shift the others.
    - A mean, a norm or a softmax runs over the time axis.
    """
    # The influence matrix is exactly zero above its diagonal; of a long text, in a few of its rows.
    at = () if case.length <= FEW else (case.length // 3, case.length - 2)
    weights = case.seeded(context.seeds, scale=drawn_scale(case))
    question = Influence(config=case.config, weights=weights, at=at)
    influence = context.ask(question, {"tokens": case.token_array()})["influence"]
    if not finite(influence):
        raise CheckFailed("not-finite", "gradients are finite", "some gradient is NaN or infinite")
    leaks = np.argwhere(np.triu(influence != 0.0, k=1))
    if len(leaks):
        t, s = (int(i) for i in leaks[0])
        raise CheckFailed(
            "gradient-leak",
            "d logits[t] / d embedding of the token at s is exactly zero for s > t",
            f"the gradient of the logits at position {t} reaches the token at position {s}",
            grid=TokenGrid(
                tokens=case.tokens,
                named=((0, s),),
                moved=tuple(places(influence[None, :, s] != 0.0)),
                wrong=tuple(places(influence[None, :s, s] != 0.0)),
            ),
        )


QUERY_SCALE = 1e5  # scores of some ten thousands: most rows have none that is not far below a mask of -1e4


def _large_scores_confirm(case: ModelCase, context: Context) -> None:
    """The confirmation of ``future_is_hidden`` with large queries, and with others: large ones may see one key."""
    future_is_hidden_confirm(case, context, query_scale=QUERY_SCALE)
    future_is_hidden_confirm(case, context)


def _large_scores_snippet(case: ModelCase) -> str:
    """The snippet of ``future_is_hidden`` with large queries."""
    return _future_is_hidden_snippet(case, query_scale=QUERY_SCALE)


@check(
    cases=model_cases(lengths=(2, 5)),
    confirm=_large_scores_confirm,
    at_size=few_rows,
    snippet=_large_scores_snippet,
    needs=(forward_runs,),
    examples=6,
)
def large_scores(case: ModelCase, context: Context) -> None:
    """With very large attention scores the logits stay finite and still do not see the future.

    ## Why it matters
    Trained models do produce large scores. A mask made of a large negative number instead of minus infinity
    is drowned by them, and a mask that hides a whole row gives NaN.

    ## Usual causes
    - The mask adds a fixed number such as -1e4 instead of filling with minus infinity.
    - Hidden weights are multiplied by zero after the softmax.
    - A row of the mask hides everything, so its softmax is 0 / 0.
    """
    # The property of ``future_is_hidden``, and no NaN, with queries multiplied by a large factor.
    require_hidden_future(case, context, query_scale=QUERY_SCALE)


def _chunk_is_causal_snippet(case: DecodeCase) -> str:
    """Change the last token of the last chunk."""
    return model_snippet(
        case,
        f"""
begin = {case.length - case.chunks[-1]}  # so many tokens come in a chunk before
cache = model.forward_incremental(tokens[:, :begin])[1] if begin else None
changed = tokens.clone()
changed[:, -1] = (changed[:, -1] + 1) % {case.vocab_size}
before, _ = model.forward_incremental(tokens[:, begin:], cache)
after, _ = model.forward_incremental(changed[:, begin:], cache)
print((before[:, :-1] - after[:, :-1]).abs().amax(dim=(0, 2)))  # one number a position: all must be 0
assert torch.equal(before[:, :-1], after[:, :-1]), "a later token of the chunk moved earlier logits"
""",
    )


@check(
    cases=decode_cases(at_least=1).filter(lambda case: case.chunks[-1] > 1),
    snippet=_chunk_is_causal_snippet,
    needs=(forward_runs, future_is_hidden),
    examples=4,
    after="generate-leaves-no-trace",
)
def chunk_is_causal(case: DecodeCase, context: Context) -> None:
    """Decoded in chunks, changing a later token of a chunk never changes the logits before it.

    ## Why it matters
    One new token may see all that came before it, so that incremental decoding seems to need no mask. A prompt arrives
    as a chunk of many tokens: without a mask they see each other, and their keys and values stay in the cache for good.

    ## Usual causes
    - The mask is left out, or has one row that all tokens of the chunk share.
    - The mask of the chunk is lined up with the first keys instead of the last.
    """
    # The text as a beginning and a last chunk; then the chunk's tokens from each position on are replaced.
    begin = case.length - case.chunks[-1]
    first = {"chunk.0": case.token_array()[:, :begin]} if begin else {}
    before = len(first)  # the step of the last chunk as it is
    starts = range(begin + 1, case.length)
    last = [case.token_array(), *(with_other_future(case, start) for start in starts)]
    chunks = first | {f"chunk.{before + i}": tokens[:, begin:] for i, tokens in enumerate(last)}
    parents = (-1,) * before + (before - 1,) * len(last)
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents, precision="float32")
    try:
        answer = context.ask(question, {name: tokens.copy() for name, tokens in chunks.items()})
    except PackageRaised as raised:
        if raised.unbuilt:
            return  # there is no chunk yet that could be wrong; that it is to be built is for others to say
        raise
    for i, start in enumerate(starts, before + 1):
        moved = [(row, begin + t) for row, t in moved_rows(answer[f"logits.{i}"], answer[f"logits.{before}"])]
        early = [(row, t) for row, t in moved if t < start]
        if early:
            raise CheckFailed(
                "leak",
                "within a chunk too, the logits before a changed token stay the same, bit for bit",
                f"{begin} tokens are cached; in the chunk after them, tokens from position {start} on were changed,"
                f" and the logits at position {early[0][1]} moved",
                grid=altered(last[0], last[start - begin], moved=moved, wrong=early),
            )
