"""Checks that results stay numbers: large scores, short floats, long sequences, and rows that attend to nothing."""

from typing import Final

import numpy as np
from hypothesis import strategies as st

from grader.checks.ablation import Factors
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close, finite
from grader.checks.families.kv_cache import cached_equals_full
from grader.checks.families.masking import future_is_hidden, with_other_future
from grader.checks.families.projection import forward_runs, parameter_shapes
from grader.checks.requirements import beyond_rounding, logits_of, moved_rows
from grader.checks.snippets import model_snippet
from grader.checks.stability_cases import PRECISIONS, EmptyRowsCase, LongCase, empty_rows_cases, long_case, near
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Gradients, Precision
from grader.sandbox.wire import Array, Tensors


def _empty_rows_weigh_nothing_snippet(case: EmptyRowsCase) -> str:
    """The same two chunks, with other padding in the first."""
    return model_snippet(
        case,
        f"""
first, second = tokens.split([{case.first}, {case.length - case.first}], dim=1)
lengths, more = torch.tensor({list(case.lengths[0])}), torch.tensor({list(case.lengths[1])})
padding = torch.arange({case.first}) >= lengths[:, None]
answers = []
for chunk in (first, torch.where(padding, (first + 1) % {case.vocab_size}, first)):
    logits, cache = model.forward_incremental(chunk, lengths=lengths)
    assert logits[lengths == 0].isfinite().all(), "a row of nothing but padding has no finite logits"
    answers.append(model.forward_incremental(second, cache, lengths=more)[0])
moved = (answers[1] - answers[0])[0, : more[0]].abs().max()  # row 0, which begins with the second chunk
print(float(moved))
assert moved <= 1e-9, "padding moves what comes after it"
""",
    )


@check(
    family="numerics",
    cases=empty_rows_cases(),
    snippet=_empty_rows_weigh_nothing_snippet,
    needs=(forward_runs, cached_equals_full),
    examples=4,
)
def empty_rows_weigh_nothing(case: EmptyRowsCase, context: Context) -> None:
    """A row of nothing but padding gives finite logits, and leaves nothing behind in the cache.

    ## Why it matters
    Batches are served with rows that have nothing to say yet. Such a row may look at nothing, and the softmax over
    nothing is 0 / 0. The NaN stays in the cache, and weighted with zero it is NaN still: what the row is given later is
    lost too.

    ## Usual causes
    - A row of the mask forbids everything, and no code handles it.
    - What was computed of padding is kept in the cache as if it were real.
    - `lengths` is accepted, and not used.
    """
    # Two chunks, and the same with other padding in the first; row 0 begins with the second.
    tokens = case.token_array()
    first, second = np.ascontiguousarray(tokens[:, : case.first]), np.ascontiguousarray(tokens[:, case.first :])
    padded = np.where(case.real(0), first, (first + 1) % case.vocab_size)
    chunks = {"chunk.0": first, "chunk.1": second, "chunk.2": padded, "chunk.3": second}
    lengths = {f"lengths.{i}": case.length_array(i % 2) for i in range(4)}
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, -1, 2))
    answer = context.ask(question, {**chunks, **lengths})
    logits = [logits_of(answer, f"logits.{i}", chunk) for i, chunk in enumerate(chunks.values())]
    never_real = np.zeros(len(tokens), dtype=np.bool_)
    never_real[1] = True
    _must_be_finite(logits[0], case.real(0) | (case.length_array(0) == 0)[:, None], case, "the first chunk")
    _must_be_finite(logits[1], case.real(1) | never_real[:, None], case, "the second chunk")
    moved = beyond_rounding(logits[3], logits[1]) & case.real(1)
    if moved.any():
        row, t = (int(i) for i in np.argwhere(moved)[0])
        raise CheckFailed(
            "padding-counts",
            "what a row was padded with in one chunk moves no logit of the next",
            f"with other padding in the first chunk, the logits of row {row} at token {t} of the second moved",
            grid=_grid(case),
        )


def _must_be_finite(logits: Array, where: Array, case: EmptyRowsCase, chunk: str) -> None:
    if not finite(logits[where]):
        row = int(np.argwhere(where & ~np.isfinite(logits).all(axis=-1))[0][0])
        raise CheckFailed(
            "not-finite",
            "logits are finite in rows of nothing but padding, and where tokens are real",
            f"NaN or infinity in row {row} of {chunk}, where lengths are {list(case.lengths[0])}, then"
            f" {list(case.lengths[1])}",
            grid=_grid(case),
        )


def _grid(case: EmptyRowsCase) -> TokenGrid:
    padding = [(int(row), int(t)) for row, t in np.argwhere(~case.real(0))]
    return TokenGrid(tokens=case.tokens, changed=tuple(padding))


FIRST: Final = 0  # the chunk that is asked about


def _empty_rows_give_no_gradient_snippet(case: EmptyRowsCase) -> str:
    """The gradients of all rows, and of those that are not empty."""
    return model_snippet(
        case,
        f"""
first, lengths = tokens[:, :{case.first}], torch.tensor({list(case.lengths[FIRST])})
real = torch.arange({case.first}) < lengths[:, None]


def gradients(rows):
    with torch.enable_grad():
        logits, _ = model.forward_incremental(first[rows], lengths=lengths[rows])
        return torch.autograd.grad(logits[real[rows]].square().sum(), list(model.parameters()))


moved = max((a - b).abs().max() for a, b in zip(gradients(lengths >= 0), gradients(lengths > 0)))
print(float(moved))
assert moved <= 1e-6, "rows of nothing but padding change the gradient"
""",
    )


@check(
    family="numerics",
    cases=empty_rows_cases(),
    snippet=_empty_rows_give_no_gradient_snippet,
    needs=(forward_runs, cached_equals_full),
    examples=3,
)
def empty_rows_give_no_gradient(case: EmptyRowsCase, context: Context) -> None:
    """A row of nothing but padding changes no gradient: it is that of the batch without the row, in each precision
    finite.

    ## Why it matters
    A gradient adds up what all rows have to say. If one of them is NaN, so is the sum, for every parameter; that its
    logits are left out of the loss does not help, since zero times NaN is NaN.

    ## Usual causes
    - A softmax over nothing, set right only after it: the way back goes through 0 / 0 all the same.
    - A mean that counts padding.
    - Infinities that cancel in the forward pass, and not in the derivative.
    """
    # The first chunk: finite in each precision, and in float64 beside the rows that have real tokens.
    answers = {
        precision: _gradients_of_rows(case, context, precision, case.length_array(FIRST) >= 0)
        for precision in PRECISIONS
    }
    for precision, answer in answers.items():
        unfit = [name for name, array in answer.items() if not finite(_that_counts(name, array, case))]
        if unfit:
            raise CheckFailed(
                "not-finite",
                "gradients are finite, and the logits of a row of nothing but padding too",
                f"with lengths {list(case.lengths[FIRST])} there is NaN or infinity in {unfit[0]}, in {precision}",
                grid=TokenGrid(tokens=case.tokens),
            )
    without = _gradients_of_rows(case, context, "float64", case.length_array(FIRST) > 0)
    if not close(_joined(answers["float64"], without), _joined(without, without), "gradients, float64"):
        raise CheckFailed(
            "gradient-of-padding",
            "the gradient of a batch is that of its rows that are not padding alone (in float64, up to rounding)",
            f"without the rows that are empty, of lengths {list(case.lengths[FIRST])}, it differs",
            grid=TokenGrid(tokens=case.tokens),
        )


def _gradients_of_rows(case: EmptyRowsCase, context: Context, precision: Precision, rows: Array) -> Tensors:
    tokens = np.ascontiguousarray(case.token_array()[rows, : case.first])
    question = Gradients(config=case.config, weights=case.seeded(context.seeds), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": tokens, "lengths": case.length_array(FIRST)[rows]})
    logits_of(answer, "logits", tokens)
    return answer


def _that_counts(name: str, array: Array, case: EmptyRowsCase) -> Array:
    """All of a gradient; of the logits those of tokens that are real, and of rows that have none."""
    lengths = case.length_array(FIRST)[:, None]
    counts: Array = array[case.real(FIRST) | (lengths == 0)] if name == "logits" else array
    return counts


def _joined(gradients: Tensors, names: Tensors) -> Array:
    """All gradients as one vector: some are zero but for rounding, and have no scale of their own."""
    wanted = sorted(name for name in names if name.startswith("grad."))
    return np.concatenate([gradients.get(name, np.zeros_like(names[name])).ravel() for name in wanted])


SHORT_FLOATS: Final[tuple[Precision, ...]] = ("float32", "bfloat16")
LENGTH: Final = 300  # bfloat16 counts to 256
SPARE: Final = 20  # a position that is rounded up finds another one's row, and not the end of the table


def _precisions_agree_snippet(case: LongCase) -> str:
    """The same model in float32 and in bfloat16, beside float64."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig

torch.manual_seed(0)
model = GPT(GPTConfig({settings})).eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
tokens = torch.randint({case.vocab_size}, (1, {case.length}))
with torch.no_grad():
    logits = [model.to(dtype)(tokens).double() for dtype in (torch.float32, torch.bfloat16)]
difference = (logits[1] - logits[0]).abs().max() / logits[0].abs().max()
print(float(difference))
assert difference <= 0.1, "in bfloat16 the model says something else"
"""


@check(
    family="numerics",
    cases=st.just(long_case(LENGTH, spare=SPARE)),
    snippet=_precisions_agree_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=1,
    after="flat-vectors-stay-finite",
)
def precisions_agree(case: LongCase, context: Context) -> None:
    """In float64, float32 and bfloat16 a model says the same thing, as far as each precision goes.

    ## Why it matters
    Models are trained in one precision and served in another. Rounding costs digits, evenly and as many as are known;
    what costs more than that is a bug that the other precision hides.

    ## Usual causes
    - Positions are counted in the model's own numbers: bfloat16 has no 257, and two tokens share a position.
    - A sum over many terms is kept in a short type.
    - A constant is made in another precision than what it is used with.
    """
    # The shorter precisions beside float64, with the same weights; and gradients that are finite in all three.
    tokens = case.token_array(context)
    answers = {precision: _gradients_in(case, context, precision) for precision in PRECISIONS}
    for precision in SHORT_FLOATS:
        if not near(answers[precision]["logits"], answers["float64"]["logits"], precision):
            raise CheckFailed(
                f"other-logits-in-{precision}",
                "in each precision the logits are those of float64, up to that precision's rounding",
                f"for {tokens.size} tokens the logits in {precision} differ by more than rounding explains",
            )
    for precision, answer in answers.items():
        unfit = [name for name, array in answer.items() if not finite(array)]
        if unfit:
            raise CheckFailed(
                "not-finite", "gradients are finite in each precision", f"NaN or infinity in {unfit[0]}, in {precision}"
            )


def _gradients_in(case: LongCase, context: Context, precision: Precision) -> Tensors:
    question = Gradients(config=case.config, weights=case.seeded(context), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": case.token_array(context)})
    logits_of(answer, "logits", case.token_array(context))
    return answer


CACHED: Final = 270
WAYS: Final = (f"after {CACHED} tokens", "with lengths")


@check(
    family="numerics",
    cases=st.just(long_case(LENGTH, spare=SPARE)),
    needs=(forward_runs, cached_equals_full, precisions_agree),
    examples=1,
)
def cached_precisions_agree(case: LongCase, context: Context) -> None:
    """Decoded from a cache, a model says in bfloat16 what it says in float64, however far the text has gone.

    ## Why it matters
    Decoding is what is done in short floats most of all, and what goes on longest. It has a count of its own of where
    the next token stands, beside the one of the plain forward.

    ## Usual causes
    - The position of the next token is counted in the model's own numbers: bfloat16 has no 257.
    - Lengths of rows are kept in a short type.
    - Keys and values are cached in another type than they are computed in.
    """
    # All in two chunks, and all at once with its length, beside the same in float64.
    short, exact = _decoded(case, context, "bfloat16"), _decoded(case, context, "float64")
    for way in WAYS:
        if not near(short[way], exact[way], "bfloat16"):
            raise CheckFailed(
                f"other-logits {way}",
                "decoded in bfloat16 the logits are those of float64, up to rounding",
                f"decoded {way} they differ by more than rounding explains",
            )


def _decoded(case: LongCase, context: Context, precision: Precision) -> dict[str, Array]:
    """The logits of the second chunk, and those of a chunk that says how long it is."""
    tokens = case.token_array(context)
    first, second = np.ascontiguousarray(tokens[:, :CACHED]), np.ascontiguousarray(tokens[:, CACHED:])
    question = Decode(config=case.config, weights=case.seeded(context), precision=precision, parents=(-1, 0, -1))
    chunks = {"chunk.0": first, "chunk.1": second, "chunk.2": tokens, "lengths.2": np.array([tokens.size])}
    answer = context.ask(question, chunks)
    logits = (logits_of(answer, "logits.1", second), logits_of(answer, "logits.2", tokens))
    return dict(zip(WAYS, logits, strict=True))


SCALES: Final = (1.0, 100.0, 1e4, -1e4)  # whatever sign a score has, it is far below zero in one of the last two
WIDTH: Final = 32  # the scores of a wide model are larger: some of them, times the last scale, by more than 65504


def _scores_of_any_size_snippet(case: ModelCase) -> str:
    """Forward and backward with large scores, in each precision."""
    return model_snippet(
        case,
        f"""
from copy import deepcopy

for dtype in (torch.float32, torch.float64, torch.bfloat16):
    for scale in {SCALES}:
        scaled = deepcopy(model).to(dtype)
        for block in scaled.blocks:
            block.attn.query.weight *= scale
            block.attn.query.bias *= scale
        with torch.enable_grad():
            logits = scaled(tokens)
            logits.sum().backward()
        gradients = [p.grad for p in scaled.parameters() if p.grad is not None]
        finite = logits.isfinite().all() and all(g.isfinite().all() for g in gradients)
        print(dtype, scale, bool(finite))
        assert finite, f"NaN or infinity in {{dtype}} with queries times {{scale}}"
""",
    )


@check(
    family="numerics",
    cases=model_cases(lengths=(5, 6), rows=(2, 3)).map(lambda case: extended(case, ModelCase, d_model=WIDTH)),
    snippet=_scores_of_any_size_snippet,
    needs=(forward_runs, future_is_hidden),
    examples=1,  # of twenty-four questions
)
def scores_of_any_size(case: ModelCase, context: Context) -> None:
    """Whatever the size of the scores, logits and gradients are finite and no logit sees a later token, in each
    precision.

    ## Why it matters
    Scores grow while a model trains, and bfloat16 has the range of float32 with a hundredth of its digits. One infinity
    over another is NaN; one NaN in a gradient, and after the next update all parameters are.

    ## Usual causes
    - Exponentials are taken of scores as they are, without subtracting the largest of a row first.
    - Hidden scores are filled with a number that another precision cannot hold, or that a score can be lower than.
    - A mask is made by multiplying with infinity: zero times infinity is NaN.
    - A part is computed in float16, which ends at 65504.
    """
    # Forward and backward, in each precision, with queries multiplied.
    for precision in PRECISIONS:
        for scale in SCALES:
            _is_finite(case, context, precision, scale)
            _is_causal(case, context, precision, scale)


def _is_finite(case: ModelCase, context: Context, precision: Precision, scale: float) -> None:
    question = Gradients(
        config=case.config,
        weights=case.seeded(context.seeds, query_scale=scale),
        precision=precision,
        with_logits=True,
    )
    answer = context.ask(question, {"tokens": case.token_array()})
    logits_of(answer, "logits", case.token_array())
    for name, array in answer.items():
        if not finite(array):
            raise CheckFailed(
                "logits-not-finite" if name == "logits" else "gradients-not-finite",
                "logits and gradients are finite, whatever the size of the scores",
                f"NaN or infinity in {name}, in {precision}, with queries times {scale:g}",
                grid=TokenGrid(tokens=case.tokens),
            )


def _is_causal(case: ModelCase, context: Context, precision: Precision, scale: float) -> None:
    start = case.length // 2
    question = Forward(config=case.config, weights=case.seeded(context.seeds, query_scale=scale), precision=precision)
    answer = context.ask(question, {"tokens.0": case.token_array(), "tokens.1": with_other_future(case, start)})
    moved = moved_rows(answer["logits.1"], answer["logits.0"])
    early = [t for _, t in moved if t < start]
    if early:
        raise CheckFailed(
            "leak",
            "the logits before a changed token stay the same, bit for bit, whatever the size of the scores",
            f"in {precision}, with queries times {scale:g}, tokens from position {start} on were changed,"
            f" and the logits at position {early[0]} moved",
            grid=TokenGrid(
                tokens=case.tokens,
                changed=tuple((row, t) for row in range(len(case.tokens)) for t in range(start, case.length)),
                moved=tuple(moved),
            ),
        )


FLAT: Final[Factors] = {"embedding.weight": 0.0}  # of tokens and of positions: the stream starts with zeros


def _flat_vectors_stay_finite_snippet(case: ModelCase) -> str:
    """Forward and backward from embeddings of zeros."""
    return model_snippet(
        case,
        """
for name, p in model.named_parameters():
    if name.endswith("embedding.weight"):
        p.zero_()
with torch.enable_grad():
    logits = model(tokens)
    logits.sum().backward()
print(logits)
assert logits.isfinite().all(), "logits are not finite"
assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None), "gradients are not finite"
""",
    )


@check(
    family="numerics",
    cases=model_cases(lengths=(2, 5)),
    snippet=_flat_vectors_stay_finite_snippet,
    needs=(forward_runs,),
    examples=2,
)
def flat_vectors_stay_finite(case: ModelCase, context: Context) -> None:
    """A norm that reads a vector whose numbers are all equal gives finite numbers, forward and backward.

    ## Why it matters
    Such a vector has a variance of zero. Tokens that are masked out, embeddings that start at zero and units that have
    died give some, seldom enough to be met after days of training.

    ## Usual causes
    - A norm divides by the spread without adding an epsilon.
    - The epsilon is so small that the precision at hand rounds it away.
    - The variance is a difference of two means, and rounding makes it negative.
    """
    # Forward and backward in each precision, from embeddings of zeros.
    for precision in PRECISIONS:
        question = Gradients(
            config=case.config,
            weights=case.seeded(context.seeds, factors=FLAT),
            precision=precision,
            with_logits=True,
        )
        for name, array in context.ask(question, {"tokens": case.token_array()}).items():
            if not finite(array):
                raise CheckFailed(
                    "not-finite",
                    "logits and gradients are finite where all numbers of a vector are equal",
                    f"with embeddings of zeros there is NaN or infinity in {name}, in {precision}",
                    grid=TokenGrid(tokens=case.tokens),
                )


LONG_BLOCK: Final = 4096
SHORTER_BLOCK: Final = (
    1024  # for float64, whose numbers are long, and for the way back in bfloat16, which is slow on a CPU
)


@check(
    family="numerics",
    cases=st.just(long_case(LONG_BLOCK)),
    needs=(forward_runs, parameter_shapes, precisions_agree),
    examples=1,
    costly=True,
)
def long_blocks(case: LongCase, context: Context) -> None:
    """At a block size of 4096 logits and gradients are finite, and the logits are those of a right model.

    ## Why it matters
    What is right for thirty-two tokens can be wrong for four thousand: numbers that count, sums that swallow their last
    terms, masks whose entries add up. The loss on short sequences does not tell.

    ## Usual causes
    - Positions or lengths are counted in a type that runs out of whole numbers.
    - Weights are summed in a short type, and four thousand small ones add up to something else.
    - Memory or time grows faster than with the square of the length.
    """
    # Forward and backward in each precision; beside a right model, and bfloat16 beside float32.
    shorter = long_case(SHORTER_BLOCK)
    _agrees(shorter, "float64", _with_gradients(shorter, "float64", context), context)
    _with_gradients(shorter, "bfloat16", context)
    in_float32 = _with_gradients(case, "float32", context)
    _agrees(case, "float32", in_float32, context)
    tokens = case.token_array(context)
    question = Forward(config=case.config, weights=case.seeded(context), precision="bfloat16")
    in_bfloat16 = logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)
    if not near(in_bfloat16, in_float32, "bfloat16"):
        raise CheckFailed(
            "other-logits-in-bfloat16",
            f"at block_size={case.block_size} the logits in bfloat16 are those of float32, up to rounding",
            "they differ by more than rounding explains",
        )


def _with_gradients(case: LongCase, precision: Precision, context: Context) -> Array:
    """The logits, once they and all gradients are seen to be finite."""
    tokens = case.token_array(context)
    question = Gradients(config=case.config, weights=case.seeded(context), precision=precision, with_logits=True)
    answer = context.ask(question, {"tokens": tokens})
    unfit = [name for name, array in answer.items() if not finite(array)]
    if unfit:
        raise CheckFailed(
            "not-finite",
            f"logits and gradients are finite at block_size={case.block_size}",
            f"NaN or infinity in {unfit[0]}, in {precision}",
        )
    return logits_of(answer, "logits", tokens)


def _agrees(case: LongCase, precision: Precision, logits: Array, context: Context) -> None:
    """What comes with length shows at once; what rounds, and which epsilon a norm has, is asked elsewhere."""
    question = Forward(config=case.config, weights=case.seeded(context), precision=precision)
    expected = context.variant.ask(question, {"tokens.0": case.token_array(context)})["logits.0"]
    if not close(logits, expected, "logits, another epsilon"):
        raise CheckFailed(
            f"other-logits-in-{precision}",
            f"at block_size={case.block_size} the logits are those of a right model",
            f"in {precision} they differ",
        )
