"""Checks of position schemes other than learned positions."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.ablation import SILENT_MLP
from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close, finite
from grader.checks.configuration_cases import (
    SchemeCase,
    each_scheme,
    one_layer_cases,
    scheme_cases,
    under,
    with_scheme,
)
from grader.checks.families.heads import heads_are_separate
from grader.checks.families.masking import (
    future_is_hidden,
    past_is_seen,
)
from grader.checks.families.projection import forward_runs
from grader.checks.requirements import beyond_rounding, logits_of
from grader.checks.snippets import model_snippet
from grader.checks.strategies import extended, model_cases
from grader.packages.package import Package
from grader.packages.trouble import Trouble
from grader.result.record import Lane, TokenGrid
from grader.sandbox.questions import Forward, Gradients, Influence, Parameters, Precision
from grader.sandbox.wire import Array

HEARD = 0.5  # standard deviation of weights

# How closely logits agree that hang on sines and cosines, which many take in float32.


def right_ones(context: Context) -> list[Package]:
    """Who to agree with: a model with the bugs that are left, or one without, where a scheme has code of its own."""
    return [context.variant] if context.variant is context.reference else [context.variant, context.reference]


def compare(context: Context, actual: Array, *allowed: Array, claim: str, seen: str, grid: TokenGrid) -> None:
    """Require that logits agree with some that are allowed.

    Raises:
        CheckFailed: they differ from all of these by more than angles in float32 explain.
    """
    for expected in allowed:
        lane = closeness(actual, expected)
        if lane is None and actual.dtype.kind == "f" and close(actual, expected, "logits, angles in float32"):
            lane = Lane.FLOAT32
        if lane is not None:
            context.lanes.add(lane)
            return
    raise CheckFailed("logits-differ", claim, seen, grid=grid)


# What attention weights say of distances.
#
# When all tokens have one embedding and one layer of one head reads them, queries are all the same, and so are keys and
# values: how much of a key is in the logits depends on where it stands, and on nothing else. ``Influence`` reads that
# from outside, each row times a number, so that what can be compared is how much of one key there is for one of
# another: their share.

BY_DISTANCE = (
    "of tokens that are all the same, how much is attended to depends on how far back they stand, and on that alone"
)


def by_distance(influence: Array) -> Array:
    """How much of the key d steps back there is for one of the key one step back: (T - 1,), for d from 1 to T - 1.

    Args:
        influence: (T, T), of tokens that are all alike.

    Raises:
        CheckFailed: it is not the same at all positions.
    """
    length = len(influence)
    heard = influence[np.tril_indices(length, k=-1)]
    if not finite(influence) or not (heard > 0).all():
        raise CheckFailed("unheard", "every earlier token is attended to", "some has no influence at all, or NaN")
    shares = [influence[t, t - 1 :: -1] / influence[t, t - 1] for t in range(1, length)]
    last: Array = shares[-1]
    for t, seen in enumerate(shares, start=1):
        if not close(seen, last[:t], "shares of attention"):
            step = int(np.argmax(np.abs(seen - last[:t])))
            raise CheckFailed(
                "by-position",
                BY_DISTANCE,
                f"{step + 1} steps back, there is {seen[step]:.4g} of what there is one step back at position {t}, and"
                f" {last[step]:.4g} at position {length - 1}",
            )
    return last


@check(cases=scheme_cases(), needs=(forward_runs,), examples=2)
def scheme_is_built(case: SchemeCase, context: Context) -> None:
    """A model with another position scheme than learned positions can be made, and gives scores.

    ## Why it matters
    Each scheme is judged by itself, and so it pays to build one of them well. This asks whether there is one to judge.

    ## Usual causes
    - Nothing of it is built yet.
    - The scheme is looked up under another name than the configuration gives it.
    - Something that only learned positions have, such as a table, is needed all the same.
    """
    # One at least of the schemes that take the smallest model takes this one, up to a full block.
    failures: list[CheckFailed | Trouble] = []
    for asked in each_scheme(case, context):
        try:
            _runs(asked, context)
        except (CheckFailed, Trouble) as failure:
            failures.append(failure)
        else:
            return
    if failures:
        raise failures[0]


def _runs(case: SchemeCase, context: Context) -> None:
    full = np.resize(case.token_array(), (len(case.tokens), case.block_size))
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer = context.ask(question, {"tokens.0": case.token_array(), "tokens.1": full})
    with under(case.position):
        for name, tokens in (("logits.0", case.token_array()), ("logits.1", full)):
            if not finite(logits_of(answer, name, tokens)):
                raise CheckFailed("not-finite", "scores are finite numbers", "NaN or infinity")


POSITION = "sinusoidal"


def _sinusoidal_by_formula_snippet(case: SchemeCase) -> str:
    """Put the table into a model with learned positions."""
    return model_snippet(
        extended(case, SchemeCase, n_head=1),
        f"""
sinusoidal = GPT(GPTConfig(**{{**vars(model.config), "position": "sinusoidal"}})).double().eval()
weights = model.state_dict()
for name, p in sinusoidal.named_parameters():
    p.copy_(weights[name])
channel = torch.arange({case.d_model})
angle = torch.arange({case.block_size}).double()[:, None] / 10000.0 ** (channel // 2 * 2 / {case.d_model})
model.position_embedding.weight.copy_(torch.where(channel % 2 == 0, angle.sin(), angle.cos()))
difference = (sinusoidal(tokens) - model(tokens)).abs().amax(dim=(0, 2))
print(difference)  # one number a position
assert (difference <= 1e-4).all(), "the table differs"
""",
    )


@check(
    cases=scheme_cases(lengths=(3, 6)),
    snippet=_sinusoidal_by_formula_snippet,
    needs=(forward_runs,),
    examples=3,
)
def sinusoidal_by_formula(case: SchemeCase, context: Context) -> None:
    """Sinusoidal positions are what learned ones would be with the table of sines and cosines.

    ## Why it matters
    The table is a formula, so that nothing has to be stored or trained: channel 2i is sin(p / 10000^(2i/C)) and channel
    2i + 1 the cosine of the same angle. Any other table works about as well, and is another model.

    ## Usual causes
    - All sines come first and all cosines after them, instead of in turn.
    - The exponent counts channels where it should count pairs of them, or the base is another.
    - Sines and cosines of a pair have different angles.
    - The table is scaled, or stands in the place of the tokens' embedding instead of being added to it.
    """
    # The candidate's logits with sinusoidal positions, beside its own with learned positions and that table.
    case = extended(case, SchemeCase, n_head=1)
    weights, tokens = case.seeded(context.seeds), case.token_array()
    sinusoidal = Forward(config=with_scheme(case.config, POSITION), weights=weights)
    same = context.variant.ask(sinusoidal, {"tokens.0": np.zeros_like(tokens)})["logits.0"]
    if not beyond_rounding(same[:, 1:], same[:, :1]).any():
        raise CheckFailed("not-heard", "positions reach the logits", "no position does, whatever the table is")
    given = {"tokens.0": tokens}
    learned = Forward(config=case.config, weights=weights)
    by_formula = {**given, "position_table": table(case.block_size, case.d_model)}
    compare(
        context,
        context.ask(sinusoidal, given)["logits.0"],
        context.ask(learned, by_formula)["logits.0"],
        *(right.ask(sinusoidal, given)["logits.0"] for right in right_ones(context)),
        claim="sinusoidal positions give the logits that learned ones give with the table of the formula",
        seen="with position='sinusoidal' the logits differ (in float64, beyond rounding)",
        grid=TokenGrid(tokens=case.tokens),
    )


def table(block_size: int, d_model: int) -> Array:
    """(block_size, C): sines in even channels, cosines in odd ones."""
    channel = np.arange(d_model)
    angle = np.arange(block_size)[:, None] / 10000.0 ** (channel // 2 * 2 / d_model)
    return np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))


@check(
    cases=one_layer_cases("rotary", d_model=4),
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=3,
)
def rotary_by_distance(case: SchemeCase, context: Context) -> None:
    """With rotary positions a score depends on the distance alone.

    ## Why it matters
    Queries and keys are turned by angles that grow with their positions, and in their product only the difference of
    the angles is left. If one of a pair of channels is turned otherwise than the other, it is no rotation, and the
    score depends on both positions: longer texts than those of the training then look like nothing the model has seen.

    ## Usual causes
    - Channels are paired in one way where they are turned, and in the other where angles are dealt out.
    - A sign is wrong, so that pairs are stretched and not turned.
    - Queries are turned and keys are not, or values are turned too.
    """
    # Shares by distance are the same at all positions, and not the same at all distances.
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    shares = by_distance(context.ask(question, {"tokens": case.token_array()})["influence"])
    if np.ptp(shares) < 1e-6:
        raise CheckFailed(
            "blind",
            "how much is attended to changes with the distance",
            "it is the same at any distance",
            grid=TokenGrid(tokens=case.tokens),
        )


@st.composite
def rotary_cases(draw: DrawFn) -> SchemeCase:
    """Models of one head of one to four pairs."""
    case = extended(draw(model_cases(lengths=(3, 7))), SchemeCase, position="rotary")
    return replace(case, d_model=draw(st.sampled_from((8, 6, 4, 2))))


@check(cases=rotary_cases(), needs=(forward_runs, future_is_hidden, past_is_seen), examples=5)
def rotary_as_published(case: SchemeCase, context: Context) -> None:
    """Rotary positions turn pair i of a head by 10000^(-2i/D) radians a position.

    ## Why it matters
    Turned the other way, or at another pace, a model trains as well and means something else by its weights: those of
    another implementation cannot be loaded. Which channels are a pair is free: neighbours, or channels half a head
    apart.

    ## Usual causes
    - The base is another, or the exponent counts channels where it should count pairs of them.
    - The sign of the sine is on the other side, so that pairs are turned backwards.
    - Queries and keys have changed places, or positions are counted from one for the ones and from zero for the others.
    - Scores are scaled otherwise once there are positions in them.
    """
    # The logits, in float64, beside those of a right model with the same weights, for either choice of pairs.
    weights = case.seeded(context.seeds)
    halves = Forward(config=case.config, weights=weights)
    neighbours = Forward(config=case.config, weights=replace(weights, split_pairs=True))
    given = {"tokens.0": case.token_array()}
    compare(
        context,
        context.ask(halves, given)["logits.0"],
        *(right.ask(question, given)["logits.0"] for right in right_ones(context) for question in (halves, neighbours)),
        claim="at position p, pair i of queries and of keys is turned by the angle p * 10000^(-2i/D): (a, b) becomes"
        " (a cos - b sin, a sin + b cos)",
        seen=f"with D={case.d_model} the logits differ, whichever channels are pairs (in float64)",
        grid=TokenGrid(tokens=case.tokens),
    )


LENGTH = 384
NEAR, FAR = slice(8, 64), slice(256, None)
MODELS = 4  # one by itself may pay little heed to where tokens stand
# Attention that is decided, and little else: what angles do is then most of what there is to see.
QUERY_SCALE, LOUD_ATTENTION = 3.0, {"attn.proj.weight": 4.0, **SILENT_MLP}
# How many times as far off as near positions: 1.8 at most where angles are right, 6.9 at least where they are rounded.
MOST = 3.5


@st.composite
def far_cases(draw: DrawFn) -> SchemeCase:
    """A long row of tokens, in no order."""
    weights = draw(st.integers(0, (1 << 16) - MODELS))
    tokens = np.random.default_rng(weights).integers(11, size=LENGTH)
    return SchemeCase(
        d_model=16,
        vocab_size=11,
        n_layer=1,
        block_size=LENGTH,
        weights=weights,
        tokens=(tuple(map(int, tokens)),),
        position="rotary",
    )


@check(cases=far_cases(), needs=(forward_runs, future_is_hidden, past_is_seen), examples=1)
def rotary_far_positions(case: SchemeCase, context: Context) -> None:
    """In bfloat16 rotary positions tell far positions apart as well as near ones.

    ## Why it matters
    bfloat16 has eight bits for a number: beyond 256 it holds every second integer, beyond 512 every fourth. An angle of
    300.0 radians that is rounded to it is off by up to a radian, which turns a pair anywhere. Short texts, and tests on
    short texts, show nothing.

    ## Usual causes
    - Positions or angles are converted to the model's type before their cosine is taken, instead of after.
    - Positions are counted in the type of the frequencies, which went to bfloat16 with the rest of the model.
    """
    # How far off logits in bfloat16 are from those in float64, at far positions and at near ones.
    ratios = []
    for number in range(MODELS):
        rough, fine = (_logits(case, context, number, precision) for precision in ("bfloat16", "float64"))
        off = np.abs(rough - fine).mean(axis=-1)[0]  # (T,)
        ratios.append(off[FAR].mean() / off[NEAR].mean())
    ratio = float(np.mean(ratios))
    if not ratio <= MOST:
        raise CheckFailed(
            "far-is-lost",
            "rounding to bfloat16 moves the logits at far positions about as much as at near ones",
            f"beyond position {FAR.start} it moves them {ratio:.1f} times as much as before position {NEAR.stop}",
        )


def _logits(case: SchemeCase, context: Context, number: int, precision: Precision) -> Array:
    weights = replace(case, weights=case.weights + number).seeded(
        context.seeds, query_scale=QUERY_SCALE, factors=LOUD_ATTENTION
    )
    question = Forward(config=case.config, weights=weights, precision=precision)
    tokens = case.token_array()
    return logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)


SLOPE = 2.0**-8


@check(
    cases=one_layer_cases("alibi", d_model=6, lengths=(4, 7)),
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=2,
)
def alibi_falls_evenly(case: SchemeCase, context: Context) -> None:
    """With ALiBi, each step back lowers a score by the same amount, which is the head's slope.

    ## Why it matters
    That is all there is to it: no angles and no table, but a penalty that is proportional to the distance. With the
    wrong sign it rewards what is far away. With one head the slope is 2^-8.

    ## Usual causes
    - The bias is added with the wrong sign, or distances are.
    - The bias is scaled together with the scores, by the square root of D.
    - The first slope is 1 instead of 2^(-8/H).
    """
    # From step to step back, shares fall by the same factor.
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    shares = by_distance(context.ask(question, {"tokens": case.token_array()})["influence"])
    if not close(shares, np.exp(-SLOPE * np.arange(len(shares))), "shares of attention"):
        raise CheckFailed(
            "other-slope",
            "with one head each step back lowers the score by 2^-8",
            f"the first steps change it by {', '.join(f'{step:+.6f}' for step in np.diff(np.log(shares))[:3])}",
            grid=TokenGrid(tokens=case.tokens),
        )


HEADS = (2, 3, 4, 6, 7)


@st.composite
def sloped_cases(draw: DrawFn) -> SchemeCase:
    """One layer, whatever its width: that goes with the number of heads."""
    case = draw(model_cases(layers=(1,), lengths=(4, 7)))
    return extended(case, SchemeCase, position="alibi", n_head=2, d_model=4)


@check(
    cases=sloped_cases(),
    needs=(forward_runs, future_is_hidden, past_is_seen, heads_are_separate),
    examples=2,
)
def alibi_slopes(case: SchemeCase, context: Context) -> None:
    """ALiBi's heads have the published slopes, also where their number is no power of two.

    ## Why it matters
    For H a power of two the slopes are 2^(-8/H), 2^(-16/H), and so on down to 2^-8. For other numbers of heads they are
    those of the power below, and then every other one of the power above. The simple formula gives something for every
    number, which is why most tests, on eight heads, do not notice.

    ## Usual causes
    - One formula is used for every number of heads.
    - Exponents start at 0 instead of at 1, so that the first head has the slope 1.
    - Slopes are in another order, or the heads that are left over get the wrong half of the larger set.
    """
    # The logits for several numbers of heads, in float64, beside those of a right model with the same weights.
    for n_head in HEADS:
        case = replace(case, n_head=n_head, d_model=2 * n_head)
        question = Forward(config=case.config, weights=case.seeded(context.seeds))
        given = {"tokens.0": case.token_array()}
        compare(
            context,
            context.ask(question, given)["logits.0"],
            *(right.ask(question, given)["logits.0"] for right in right_ones(context)),
            claim="each head lowers its scores by its slope for each step back",
            seen=f"with n_head={n_head} the logits differ (in float64, beyond rounding)",
            grid=TokenGrid(tokens=case.tokens),
        )


@check(
    cases=one_layer_cases("relative", d_model=6, lengths=(5, 8)),
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=3,
)
def relative_by_distance(case: SchemeCase, context: Context) -> None:
    """With relative positions a score depends on the distance alone, and every distance has its own say.

    ## Why it matters
    What was learned for three steps back then holds for three steps back anywhere in the text. That is what sets
    learned distances apart from a table of learned positions.

    ## Usual causes
    - The table is looked up by the key's position, or by the query's, instead of by their difference.
    - Distances are clamped from the wrong side, so that all of them are zero.
    - Far distances are clamped to the same entry, though the table has room for a block.
    - What is learned is added to the tokens, and not to the scores.
    """
    # Scores by distance, each unlike the others.
    question = Influence(config=case.config, weights=case.seeded(context.seeds), alike=True)
    scores = np.log(by_distance(context.ask(question, {"tokens": case.token_array()})["influence"]))
    order = np.argsort(scores)
    alike = np.flatnonzero(np.diff(scores[order]) < 1e-7)
    if len(alike):
        one, other = sorted(int(order[i]) + 1 for i in (alike[0], alike[0] + 1))
        raise CheckFailed(
            "distances-alike",
            "every distance within a block has a score of its own",
            f"{one} and {other} steps back are scored alike",
            grid=TokenGrid(tokens=case.tokens),
        )


@check(
    cases=one_layer_cases("relative", d_model=6, lengths=(3, 5)),
    needs=(forward_runs, future_is_hidden, past_is_seen),
    examples=2,
)
def relative_is_learned(case: SchemeCase, context: Context) -> None:
    """Relative positions have parameters of their own, and the logits depend on them.

    ## Why it matters
    A distance can be given a fixed penalty, as ALiBi does. Here it is to be learned, and what is learned has to be a
    parameter that a gradient reaches: a tensor that is none is never trained, and a model with it looks as good at
    first.

    ## Usual causes
    - The table is a plain tensor or a buffer, which no optimizer is given.
    - It is copied or detached when the model is made, and the copy is what is read.
    - Nothing is learned: the scheme is that of another name.
    """
    # Some parameter that a model with learned positions does not have gets a gradient.
    question = Gradients(config=case.config, weights=case.seeded(context.seeds))
    answer = context.ask(question, {"tokens": case.token_array()})
    plain = Parameters(config=replace(case, position=None).config, seed=0)
    known = context.ask(plain, {}).keys() | context.reference.ask(plain, {}).keys()
    learned = {name: gradient for name, gradient in answer.items() if name.removeprefix("grad.") not in known}
    if not any(gradient.any() for gradient in learned.values()):
        names = ", ".join(name.removeprefix("grad.") for name in learned) or "none"
        raise CheckFailed(
            "not-learned",
            "some parameter that learned positions do not have moves the logits",
            f"of the parameters with a gradient, these are further ones: {names}, and no gradient is other than zero",
            grid=TokenGrid(tokens=case.tokens),
        )
