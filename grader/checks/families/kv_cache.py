"""Checks of the KV cache."""

from typing import Any, Final, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.ablation import SILENT_ATTENTION, SILENT_BLOCKS, SILENT_MLP, Factors
from grader.checks.agreement import Agreement, closeness, full, joined, standards
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import TOLERANCES, close, finite, same_bits, spread_alike
from grader.checks.decoding_cases import (
    DROPOUT,
    DecodeCase,
    UseCase,
    cases_in_use,
    decode_case,
    decode_cases,
    few_decoded,
    shallow_decoded,
    used_at_size,
)
from grader.checks.families.determinism import forward_is_to_blame
from grader.checks.families.masking import MODEL_WORKS
from grader.checks.requirements import beyond_rounding, logits_of, must_refuse, places
from grader.checks.snippets import model_snippet
from grader.checks.strategies import FEW, extended, model_case, model_cases
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised, Trouble, is_machines
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Generate
from grader.sandbox.wire import Array, Tensors
from grader.sizes import MODEL, Extent, at_most


def _cached_equals_full_snippet(case: DecodeCase) -> str:
    """Decode in the same chunks."""
    return model_snippet(
        case,
        f"""
full = model(tokens)
cache, parts = None, []
for chunk in tokens.split({list(case.chunks)}, dim=1):
    logits, cache = model.forward_incremental(chunk, cache)
    parts.append(logits)
difference = (torch.cat(parts, dim=1) - full).abs().amax(dim=(0, 2))  # one number a position
print(difference)
assert (difference <= 1e-9).all(), "cached decoding differs from the full forward"
""",
    )


@check(
    needs=MODEL_WORKS,
    cases=decode_cases(),
    in_training=True,
    at_size=few_decoded,
    default=MODEL,
    snippet=_cached_equals_full_snippet,
    examples=8,
)
def cached_equals_full(case: DecodeCase, context: Context) -> None:
    """Decoding in chunks gives the same logits as one forward over everything.

    ## Why it matters
    A cache is an optimisation: it may change how long an answer takes, never the answer.

    ## Usual causes
    - Positions of a new chunk start at 0 again instead of after what is cached.
    - Inside a chunk of several tokens there is no causal mask, or it is aligned to the wrong corner.
    - New keys are put before the old ones, or keys are cached and values are not.
    - The cache of one layer is used in another.
    """
    # All logits of all chunks, beside the logits of the full forward.
    #
    # A forward that is another one in training mode, though nothing is dropped, is for other checks to find.
    if context.training and closeness(_in_training(case, context), full(case, context.candidate, context)) is None:
        return
    agreement = context.state.setdefault("agreement", Agreement(context, standards(context)))
    answer = context.ask(case.in_turn(context.seeds), case.chunk_tensors())
    decoded = joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])
    if not agreement.holds(case, decoded):
        raise CheckFailed(
            "cache-differs",
            "logits of cached decoding are those of the full forward (in float64, up to rounding)",
            f"decoded in chunks of {' + '.join(map(str, case.chunks))} tokens they differ",
            grid=_grid(case, decoded, context),
        )


def _in_training(case: DecodeCase, context: Context) -> Array:
    """Logits (B, T, V) of one forward in training mode."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    return context.ask(question, {"tokens.0": case.token_array()})["logits.0"]


def _grid(case: DecodeCase, decoded: Array, context: Context) -> TokenGrid:
    """Where the logits are not those of the candidate's own forward, if the two can be compared."""
    plain = TokenGrid(tokens=case.tokens)
    try:
        forward = full(case, context.candidate, context)
    except Trouble:
        return plain
    if decoded.shape != forward.shape or not decoded.size or {decoded.dtype.kind, forward.dtype.kind} != {"f"}:
        return plain
    others = tuple(places(beyond_rounding(decoded, forward)))
    return TokenGrid(tokens=case.tokens, moved=others, wrong=others)


@check(needs=MODEL_WORKS, cases=decode_cases(), at_size=shallow_decoded, examples=4)
def cache_travels(case: DecodeCase, context: Context) -> None:
    """A cache handed to another process continues there as if nothing had happened.

    ## Why it matters
    The cache is all that decoding may need of the past: serving systems move it between machines, share it
    between requests and throw the model object away in between.

    ## Usual causes
    - The model keeps tokens, positions or keys on itself beside the cache it returns.
    - The cache does not hold everything, and the rest is recomputed from what the object remembers.
    """
    # The last chunk is decoded by a worker that has never seen a prompt, from the tensors alone.
    last = len(case.chunks) - 1
    here = context.ask(case.in_turn(context.seeds, keep=(last - 1,)), case.chunk_tensors())
    cache = cache_tensors(here, last - 1)
    question = Decode(
        config=case.config,
        weights=case.seeded(context.seeds),
        parents=(-2,),
        layers=len(cache) // 2,
        views=bool(case.weights % 2),
    )
    there = context.fresh_candidate.ask(question, {"chunk.0": case.pieces()[last], **given(cache)})
    lane = closeness(there["logits.0"], here[f"logits.{last}"])
    if lane is None:
        raise CheckFailed(
            "stateful",
            "the cache's tensors are all that is needed to go on",
            "another process, given the cache and the next tokens, computes other logits",
            grid=TokenGrid(tokens=case.tokens),
        )
    context.lanes.add(lane)


def cache_tensors(answer: Tensors, step: int) -> dict[str, Array]:
    """The cache kept after ``step``: k.0, v.0, k.1, ..., and lengths where it has them."""
    prefix = f"cache.{step}."
    return {name.removeprefix(prefix): array for name, array in answer.items() if name.startswith(prefix)}


def keys_and_values(cache: Tensors) -> dict[str, Array]:
    """What of a cache is computed: k.0, v.0, k.1, ... A cache whose rows are full may tell their lengths too."""
    return {name: array for name, array in cache.items() if name != "lengths"}


def given(cache: Tensors, index: int = 0) -> dict[str, Array]:
    """A cache under the names by which ``Decode`` takes its given cache ``index``."""
    return {f"given.{index}.{name}": array for name, array in cache.items()}


WHOLLY: Final = 1.0
SLIGHTLY: Final = 1e-3
SHARES: Final = (WHOLLY, SLIGHTLY, 2 * SLIGHTLY)
# Of the largest logit: how far a slight change must take a correct model's logits to be asked of others as well. A
# softmax in float32 blurs the logits by a hundredth of that.
CLEARLY: Final = 1e-4
# How far twice a slight change may be from having twice the effect. Correct models: 0.007; tokens that are read off
# the cache move nothing at all, or jump.
BENT: Final = 0.3


class Response(NamedTuple):
    """What altering one tensor of the cache does to the logits of the last chunk."""

    moved: bool  # when altered wholly
    clear: bool  # whether a slight change has an effect that is well above rounding
    bend: float  # how far twice a slight change is from having twice the effect, as a share of it


@check(
    needs=MODEL_WORKS,
    # Equal tokens may have equal values, and then no key matters.
    cases=decode_cases(lengths=(2, 5), distinct=True),
    examples=3,
)
def cache_is_read(case: DecodeCase, context: Context) -> None:
    """Changing a value in the cache changes the next logits, and changing it a little changes them a little.

    ## Why it matters
    If it does not, the cache is an ornament: the model recomputes everything from tokens it has stored
    elsewhere, or hidden in the cache, and decoding gets slower with every token, as before.

    ## Usual causes
    - forward_incremental runs the full forward over remembered tokens and returns a cache for show.
    - Only the keys, or only the values, of the cache are used.
    - What is cached are tokens and not what was computed from them.
    """
    # Each layer's keys and values are altered in turn; logits must move where, and as, a correct model's do.
    responses, expected = _responses(case, context.candidate, context), _responses(case, context.variant, context)
    for name, right in expected.items():
        part, layer = name.split(".")
        what = f"the cached {'keys' if part == 'k' else 'values'} of layer {layer}"
        response = responses.get(name)
        if right.moved and (response is None or not response.moved):
            raise CheckFailed(
                "unread",
                "the next logits are computed from the cache",
                f"{what} were altered, and the next logits stayed the same",
            )
        if right.clear and right.bend <= BENT / 3 and response is not None and not response.bend <= BENT:
            raise CheckFailed(
                "unsmooth",
                "the next logits are computed from the cache, and follow small changes of it",
                f"{what} were altered a little and then twice as much, and the next logits did not follow",
            )


def _responses(case: DecodeCase, package: Package, context: Context) -> dict[str, Response]:
    """By tensor of the cache, what altering it does."""
    last = len(case.chunks) - 1
    before = package.ask(case.in_turn(context.seeds, keep=(last - 1,)), case.chunk_tensors())
    cache = cache_tensors(before, last - 1)
    kept = keys_and_values(cache)
    altered = [(name, share) for name in kept for share in SHARES]
    tensors: dict[str, Array] = {}
    for index, (name, share) in enumerate(altered):
        tensors[f"chunk.{index}"] = case.pieces()[last]
        tensors |= given(cache | {name: _altered(cache[name], share)}, index)
    parents = tuple(-2 - index for index in range(len(altered)))
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents, layers=len(kept) // 2)
    after = package.ask(question, tensors)
    base = before[f"logits.{last}"]
    found = {key: after[f"logits.{index}"] for index, key in enumerate(altered)}
    return {name: _response(base, *(found[name, share] for share in SHARES)) for name in kept}


def _response(base: Array, wholly: Array, once: Array, twice: Array) -> Response:
    if any(after.shape != base.shape or after.dtype.kind != "f" for after in (base, wholly, once, twice)):
        return Response(moved=True, clear=False, bend=0.0)
    scale = float(np.max(np.abs(base), initial=1e-30))
    moved = bool(np.max(np.abs(wholly - base)) > TOLERANCES["movement beyond rounding"].relative * scale)
    effect = float(np.max(np.abs(twice - base)))
    bend = float(np.max(np.abs((twice - base) - 2 * (once - base)))) / effect if effect else np.inf
    return Response(moved=moved, clear=effect > CLEARLY * scale, bend=bend)


def _altered(values: Array, share: float) -> Array:
    """Other values, not merely shifted: softmax does not see a constant added to every key."""
    altered: Array = values + share * (np.cos(3 * values) - 2 * values)
    return altered


LONG: Final = 66, 96  # tokens, smallest and largest: past every default
NEARLY: Final = (
    "logits, another epsilon"  # honest ones need no more; hollow ones are off by as much as logits are large
)

LAYERS: Final = "the first layer's part of one text's cache and the other layers' of another's"
PARTS: Final = "the keys of one text's cache and the values of another's"
ORDER: Final = "a cache in another order"

Caches = tuple[Tensors, Tensors]
"""Those of a case's text and of another text of the same size, each as k.0, v.0, k.1, ..."""


def _cache_can_be_mixed_confirm(case: DecodeCase, context: Context) -> None:
    """The same of a long text, drawn by the grade's seed."""
    random = np.random.default_rng(context.seeds.derive("long text", case.weights))
    length = int(random.integers(LONG[0], LONG[1] + 1))
    tokens = random.integers(0, case.vocab_size, (len(case.tokens), length))
    longer = replace(
        case,
        block_size=length,
        tokens=tuple(map(tuple, tokens.tolist())),
        chunks=(length - case.chunks[-1], case.chunks[-1]),
    )
    cache_can_be_mixed(longer, context)


@check(
    needs=MODEL_WORKS,
    cases=decode_cases(lengths=(3, 6), layers=(2, 3)),
    confirm=_cache_can_be_mixed_confirm,
    examples=3,
)
def cache_can_be_mixed(case: DecodeCase, context: Context) -> None:
    """Decoding goes on from whatever the cache holds: keys of one text with values of another, in any order.

    ## Why it matters
    Attention reads each layer's keys and values as they are; it neither knows nor cares which text they come from. A
    model that reads tokens off its cache and computes everything anew does as much work as one without a cache.

    ## Usual causes
    - forward_incremental finds out which tokens the cache belongs to, and runs the full forward over them.
    - Only some layers of the cache are used, and the others are computed again.
    """
    # From mixed caches of the candidate's, it goes on as a variant of the reference does from mixed caches of its own.
    #
    # Each from its own, so that keys may be kept scaled, or anything else in their places.
    found = _continued(case, context.candidate, context)
    for variant in context.variants():
        expected = _expected(case, variant, context)
        if expected is not None and all(_near(found[what], expected[what]) for what in found):
            return
    if not _is_known(case, context):
        _judge_by_itself(case, context)
        return
    raise CheckFailed(
        "recomputed",
        "the next logits are computed from the cache's keys and values, whatever texts they come from",
        f"from {LAYERS}, from {PARTS}, or from {ORDER}, the next logits differ from those that follow from them",
    )


def _continued(case: DecodeCase, package: Package, context: Context) -> dict[str, Array]:
    """The logits of the case's last chunk after each kind of mixed cache."""
    one, other = _caches(case, package, context, {})
    random = np.random.default_rng(context.seeds.derive("another order", case.weights))
    mixed = {
        LAYERS: {name: one[name] if name.endswith(".0") else other[name] for name in one},
        PARTS: {name: one[name] if name.startswith("k.") else other[name] for name in one},
        ORDER: _shuffled(one, random),
    }
    return dict(zip(mixed, _go_on(case, package, context, {}, *mixed.values()), strict=True))


def _expected(case: DecodeCase, variant: Package, context: Context) -> dict[str, Array] | None:
    try:
        return _continued(case, variant, context)
    except Trouble as trouble:
        if is_machines(trouble):
            raise
        return None


def _near(actual: Array, expected: Array) -> bool:
    return actual.dtype.kind == "f" and finite(actual) and finite(expected) and close(actual, expected, NEARLY)


def _is_known(case: DecodeCase, context: Context) -> bool:
    """Whether the candidate's model is one that there is a standard for, its cache apart."""
    own = full(case, context.candidate, context)
    return any(_near(own, full(case, variant, context)) for variant in context.variants())


def _judge_by_itself(case: DecodeCase, context: Context) -> None:
    """Where attention of a single layer adds anything, that layer's cache decides, and no other layer's."""
    for layer in range(case.n_layer):
        silent = {f"blocks.{i}.{name}": 0.0 for i in range(case.n_layer) if i != layer for name in SILENT_ATTENTION}
        one, other = _caches(case, context.candidate, context, silent)
        mixed = {name: one[name] if name.endswith(f".{layer}") else other[name] for name in one}
        whole, logits = _go_on(case, context.candidate, context, silent, one, mixed)
        if closeness(logits, whole) is None:
            raise CheckFailed(
                "recomputed",
                "the next logits are computed from the cache's keys and values, whatever texts they come from",
                f"where layer {layer} alone attends, the other layers' part of the cache moves them",
            )


def _caches(case: DecodeCase, package: Package, context: Context, factors: Factors) -> Caches:
    """The caches of the case's text, without its last chunk, and of another one of that size."""
    past = np.concatenate(case.pieces()[:-1], axis=1)
    random = np.random.default_rng(context.seeds.derive("another text", case.weights))
    other = (past + random.integers(1, case.vocab_size, past.shape)) % case.vocab_size
    weights = case.seeded(context.seeds, factors=factors)
    question = Decode(config=case.config, weights=weights, parents=(-1, -1), keep=(0, 1))
    answer = package.ask(question, {"chunk.0": past, "chunk.1": other})
    return cache_tensors(answer, 0), cache_tensors(answer, 1)


def _shuffled(cache: Tensors, random: np.random.Generator) -> dict[str, Array]:
    """All keys and values of a cache, each (B, H, T, D), in one other order of T."""
    order = random.permutation(next(iter(cache.values())).shape[2])
    return {name: np.ascontiguousarray(part[:, :, order]) if part.ndim == 4 else part for name, part in cache.items()}


def _go_on(case: DecodeCase, package: Package, context: Context, factors: Factors, *caches: Tensors) -> list[Array]:
    """The logits of the case's last chunk after each of these caches."""
    tensors: dict[str, Array] = {}
    for index, cache in enumerate(caches):
        tensors |= {f"chunk.{index}": case.pieces()[-1], **given(cache, index)}
    parents = tuple(-2 - index for index in range(len(caches)))
    weights = case.seeded(context.seeds, factors=factors)
    question = Decode(
        config=case.config,
        weights=weights,
        parents=parents,
        layers=len(keys_and_values(caches[0])) // 2,
        views=bool(case.weights % 2),
    )
    answer = package.ask(question, tensors)
    return [answer[f"logits.{index}"] for index in range(len(caches))]


@check(needs=MODEL_WORKS, cases=decode_cases(), examples=3)
def cache_grows(case: DecodeCase, context: Context) -> None:
    """Each layer's cache has shape (B, H, T, D) and grows by exactly the new tokens.

    ## Why it matters
    A cache that holds more than it needs eats memory with every token, one that holds less forgets, and one
    with another layout cannot be exchanged.

    ## Usual causes
    - The whole sequence is appended again instead of the new tokens.
    - Heads, time and batch are in another order.
    - All layers share one entry.
    """
    # Shapes after every chunk; and what was cached stays as it was.
    steps = range(len(case.chunks))
    answer = context.ask(case.in_turn(context.seeds, keep=tuple(steps)), case.chunk_tensors())
    seen = 0
    for step in steps:
        seen += case.chunks[step]
        expected = (len(case.tokens), 1, seen, case.d_model)
        cache = keys_and_values(cache_tensors(answer, step))
        if len(cache) != 2 * case.n_layer:
            raise CheckFailed(
                "layers", f"the cache has one entry for each of {case.n_layer} layers", f"it has {len(cache) // 2}"
            )
        for name, array in cache.items():
            if array.shape != expected:
                part, layer = name.split(".")
                raise CheckFailed(
                    "cache-shape",
                    f"after {seen} tokens layers[{layer}].{part} has shape (B, H, T, D) = {expected}",
                    f"it has shape {tuple(array.shape)}",
                )


@check(needs=MODEL_WORKS, cases=decode_cases(), at_size=shallow_decoded, examples=3)
def cache_unchanged(case: DecodeCase, context: Context) -> None:
    """A cache that was passed in is left as it was, so one cache can be continued twice.

    ## Why it matters
    Beam search, speculative decoding and retries all continue one cache in several ways. If the first
    continuation writes into it, the second silently continues something else.

    ## Usual causes
    - New keys are written into the old tensors, or appended to the old list.
    - The cache lives on the model, and what is passed around only points to it.
    """
    # Prefill, continue it one way, another way, and the first way again.
    prompt, rest = case.token_array()[:, : case.chunks[0]], case.token_array()[:, case.chunks[0] :]
    question = Decode(
        config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, 0, 0), keep=(0, 2), recheck=True
    )
    other = (rest + 1) % case.vocab_size
    answer = context.ask(question, {"chunk.0": prompt, "chunk.1": rest, "chunk.2": other, "chunk.3": rest})
    if not same_bits(answer["logits.1"], answer["logits.3"]):
        raise CheckFailed(
            "disturbed",
            "two continuations of one cache do not disturb each other",
            "after another continuation of the same cache, the first one gives other logits",
        )
    for name in (name for name in answer if name.startswith("cache.")):
        if not same_bits(answer[name], answer["again." + name.removeprefix("cache.")]):
            raise CheckFailed(
                "overwritten",
                "the cache passed in is left as it was",
                f"{name[len('cache.0.') :]} of the cache changed while "
                + (
                    "it was continued" if name.startswith("cache.0.") else "another continuation of its prompt was made"
                ),
            )


def many_rows(extent: Extent) -> DecodeCase:
    """A few tokens of each of many rows, since each is decoded by itself too."""
    return decode_case(at_most(extent, tokens=6, layers=1))


@check(needs=MODEL_WORKS, cases=decode_cases(), at_size=many_rows, examples=3)
def cache_is_private(case: DecodeCase, context: Context) -> None:
    """Rows of a batch, and requests that take turns, do not leak into each other.

    ## Why it matters
    One cache serves one conversation. When rows or requests share state, somebody reads somebody else's text.

    ## Usual causes
    - The cache is kept in a class attribute or a default argument, and survives into the next request.
    - A row of the batch is taken for all rows.
    """
    # Two requests in turns, and each row by itself, beside each request on its own.
    first = case.token_array()
    second = (first + 1) % case.vocab_size
    cut = case.chunks[0]
    alone = _decode(case, context, [first[:, :cut], first[:, cut:]], (-1, 0))
    turns = _decode(case, context, [first[:, :cut], second[:, :cut], first[:, cut:], second[:, cut:]], (-1, -1, 0, 1))
    if closeness(turns[2], alone[1]) is None:
        raise CheckFailed(
            "requests-leak",
            "a request does not notice that another one is decoded in between",
            "with another request in between, the same continuation has other logits",
            grid=TokenGrid(tokens=case.tokens),
        )
    halves = [half for row in first for half in (row[None, :cut], row[None, cut:])]
    starts = tuple(parent for row in range(len(first)) for parent in (-1, 2 * row))
    rows = _decode(case, context, halves, starts)[1::2]
    shapes = {row.shape for row in rows}
    if shapes != {(1, *alone[1].shape[1:])} or closeness(np.concatenate(rows), alone[1]) is None:
        raise CheckFailed(
            "rows-leak",
            "a row is decoded the same, alone or in a batch (in float64, up to rounding)",
            "decoded alone, a row of the batch has other logits",
            grid=TokenGrid(tokens=case.tokens),
        )


def _decode(case: DecodeCase, context: Context, chunks: list[Array], parents: tuple[int, ...]) -> list[Array]:
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents)
    answer = context.ask(question, {f"chunk.{i}": np.ascontiguousarray(chunk) for i, chunk in enumerate(chunks)})
    return [answer[f"logits.{i}"] for i in range(len(chunks))]


@check(needs=MODEL_WORKS, cases=decode_cases(lengths=(2, 4)), examples=2)
def cache_limits(case: DecodeCase, context: Context) -> None:
    """Past block_size, and with a cache of another batch size, there is a ValueError.

    ## Why it matters
    There is no position for a token beyond the block. Without an error the model reads a wrong row, wraps
    around, or crashes somewhere deep inside with a message that does not help.

    ## Usual causes
    - Only the new chunk's length is checked, not cached and new tokens together.
    - generate starts and only fails on the way.
    """
    # Three ways to ask for too much.
    weights = case.seeded(context.seeds)
    rows, length = len(case.tokens), case.block_size
    full = np.resize(case.token_array(), (rows, length))
    one = full[:, :1].copy()
    within = context.ask(Decode(config=case.config, weights=weights, parents=(-1,), keep=(0,)), {"chunk.0": full})
    beyond = Decode(config=case.config, weights=weights, parents=(-1, 0))
    too_long = (length, length + 1)
    must_refuse(context, beyond, {"chunk.0": full, "chunk.1": one}, "a cache that is full and one more token", too_long)
    more = 2 + case.weights % (3 * length)
    longer = np.resize(full, (rows, length + more))
    must_refuse(
        context, beyond, {"chunk.0": one, "chunk.1": longer[:, 1:].copy()}, "a chunk beyond block_size",
        (length, length + more),
    )  # fmt: skip
    at_once = Decode(config=case.config, weights=weights, parents=(-1,))
    must_refuse(context, at_once, {"chunk.0": longer}, "a first chunk beyond block_size", (length, length + more))
    for use_cache in (True, False):
        for new in (1, more):
            generate = Generate(config=case.config, weights=weights, max_new_tokens=new, use_cache=use_cache)
            beyond_it = f"generate(use_cache={use_cache}) past block_size"
            must_refuse(context, generate, {"prompt": full}, beyond_it, (length, length + new))
    cache = cache_tensors(within, 0)
    kept = keys_and_values(cache)
    if any(array.ndim != 4 for array in kept.values()):
        raise CheckFailed("cache-shape", "cached keys and values have shape (B, H, T, D)", "they have another")
    shorter = {name: array[:, :, :1].copy() for name, array in kept.items()}
    if "lengths" in cache:
        shorter["lengths"] = np.minimum(cache["lengths"], 1)
    taller = Decode(config=case.config, weights=weights, parents=(-2,), layers=len(kept) // 2)
    twice = {name: np.concatenate([array, array]) for name, array in shorter.items()}
    for cached, cache_rows in ((shorter, rows), (twice, 2 * rows)):
        for others in sorted({1, rows, 2 * rows, rows + 1, 3 * rows + 1} - {cache_rows}):
            tensors = {"chunk.0": np.resize(one, (others, 1)), **given(cached)}
            must_refuse(context, taller, tensors, "a cache of another batch size", (cache_rows, others))


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
    return extended(case, DecodeCase, block_size=case.block_size + new, chunks=(case.length, new))


def long_continuation(extent: Extent) -> DecodeCase:
    """A prompt and as many new tokens as a model of one layer has positions for.

    At the default sizes a few tokens are gone on with until the block is full; beyond them the prompt is long too.
    """
    positions = extent.tokens + min(extent.room, extent.tokens * 3 // 4)
    prompt = min(extent.tokens, positions * 4 // 7) if extent.draw else min(3, extent.tokens - 1)
    case = model_case(at_most(extent, tokens=max(1, prompt), layers=1, rows=1))
    return extended(case, DecodeCase, block_size=positions, chunks=(case.length, positions - case.length))


def _generate_is_greedy_confirm(case: DecodeCase, context: Context) -> None:
    """After a long prompt, more tokens are less work each than a third of what the prompt took.

    Counted by the candidate's own process, so that who wants to can lie. What is computed is judged by the others.
    """
    prompt = np.resize(case.token_array(), (1, PROMPT))
    config = case.config | {"block_size": PROMPT + 1 + MORE}
    first, all_of_them = (
        int(
            context.ask(
                Generate(
                    config=config, weights=case.seeded(context.seeds), max_new_tokens=new, use_cache=True, count=True
                ),
                {"prompt": prompt},
            )["operations"]
        )
        for new in (1, 1 + MORE)
    )
    if all_of_them - first > SHARE * MORE * first:
        raise CheckFailed(
            "recomputed",
            "with use_cache=True a new token costs the work of one token",
            f"after a prompt of {PROMPT} tokens and the first new one, {MORE} more were "
            f"{all_of_them / max(first, 1) - 1:.1f} times as much work as the prompt",
        )


@check(
    needs=MODEL_WORKS,
    cases=prompts(),
    at_size=long_continuation,
    default=MODEL,
    confirm=_generate_is_greedy_confirm,
    examples=6,
)
def generate_is_greedy(case: DecodeCase, context: Context) -> None:
    """generate() continues with the most likely token at every step, which with the cache costs one token's work.

    ## Why it matters
    This is what the model is for. With the cache it must say the same, only sooner.

    ## Usual causes
    - After the first step the whole sequence is fed again on top of the cache.
    - The token is taken from the first position of the chunk instead of the last.
    - The prompt is missing from what is returned.
    - With the cache, all is computed anew for every token.
    """
    # Each new token has the highest score, or one as high up to rounding, given the tokens before it.
    prompt, new = case.token_array(), case.chunks[1]
    weights = case.seeded(context.seeds)
    for use_cache in (True, False):
        question = Generate(config=case.config, weights=weights, max_new_tokens=new, use_cache=use_cache)
        tokens = context.ask(question, {"prompt": prompt})["tokens"]
        claim = _claim_of(new, use_cache=use_cache)
        _require_continued(case, tokens, new, claim)
        scores = _scores(case, context, tokens, cached=use_cache)
        _require_greedy(tokens, scores, case.length, claim, "logits, softmax in float32")


def _claim_of(new: int, *, use_cache: bool) -> str:
    return f"generate(prompt, {new}, use_cache={use_cache}) returns the prompt and {new} greedy tokens"


def _require_continued(case: DecodeCase, tokens: Array, new: int, claim: str) -> None:
    """Require the prompt and as many new tokens, all of them of the vocabulary."""
    prompt = case.token_array()
    if tokens.shape != (len(prompt), case.length + new) or not np.array_equal(tokens[:, : case.length], prompt):
        raise CheckFailed("not-continued", claim, f"it returned {tokens.dtype} of shape {tuple(tokens.shape)}")
    if tokens.dtype != np.int64 or tokens.min() < 0 or tokens.max() >= case.vocab_size:
        raise CheckFailed("not-tokens", claim, "it returned something that is no token of the vocabulary")


def _require_greedy(tokens: Array, scores: Array, prompt: int, claim: str, tolerance: str) -> None:
    """Require that no token after the prompt is beaten by another one, by the scores of the whole text."""
    wrong = _first_not_greedy(tokens, scores, prompt, tolerance)
    if wrong is not None:
        row, t = wrong
        raise CheckFailed(
            "not-greedy",
            claim,
            f"the token at position {t} of row {row} is not the one with the highest score",
            grid=TokenGrid(tokens=tuple(map(tuple, tokens.tolist())), named=((row, t),)),
        )


def _scores(case: DecodeCase, context: Context, tokens: Array, *, cached: bool) -> Array:
    """Logits (B, T, V) of the generated sequence, computed the way the generation claims to have."""
    weights = case.seeded(context.seeds)
    if not cached:
        answer = context.ask(Forward(config=case.config, weights=weights), {"tokens.0": tokens})
        return logits_of(answer, "logits.0", tokens)
    steps = case.chunks[1] - 1
    cuts = [case.length, *([1] * steps if steps <= FEW else [steps])]
    starts = np.cumsum([0, *cuts])
    chunks = {f"chunk.{i}": tokens[:, starts[i] : starts[i + 1]].copy() for i in range(len(cuts))}
    parents = tuple(range(-1, len(cuts) - 1))
    answer = context.ask(Decode(config=case.config, weights=weights, parents=parents), chunks)
    return logits_of({"decoded": joined([answer[f"logits.{i}"] for i in range(len(cuts))])}, "decoded", tokens[:, :-1])


def _first_not_greedy(tokens: Array, logits: Array, prompt: int, tolerance: str) -> tuple[int, int] | None:
    """(row, position) of the first generated token that another one beats by more than rounding."""
    slack = TOLERANCES[tolerance].relative * float(np.max(np.abs(logits), initial=0.0))
    for t in range(prompt, tokens.shape[1]):
        scores = logits[:, t - 1]
        for row in range(len(tokens)):
            chosen = tokens[row, t]
            if chosen >= scores.shape[-1] or not scores[row, chosen] >= scores[row].max() - slack:
                return row, t
    return None


REORDERED: Final = "logits, float32, another order"
SHORT: Final = 5  # tokens
SAME_TEXT: Final = 2048  # rows: as many draws of what dropout may do to it
SILENCED: Final[tuple[Factors, ...]] = ({}, SILENT_ATTENTION, SILENT_MLP, SILENT_BLOCKS)


def _cache_in_any_state_confirm(case: UseCase, context: Context) -> None:
    """In training mode with dropout, a text that is read at once is dropped as it is in one forward.

    Under one seed the same is dropped where the two draw alike; else it is spread alike, whole, and with parts of the
    blocks silenced, so that what the others drop stands out.
    """
    if _plain(case, context) is None:
        return
    few = case.token_array()[:, :SHORT]
    if closeness(*_dropped(case, context, few, {})) is not None:
        return
    for silenced in SILENCED:
        if not spread_alike(*_dropped(case, context, np.repeat(few[:1], SAME_TEXT, axis=0), silenced)):
            raise CheckFailed(
                "dropped-otherwise",
                "in training mode forward_incremental drops what forward drops",
                "with dropout, logits of a text that is read at once are spread otherwise than those of one forward",
                grid=TokenGrid(tokens=case.tokens),
            )


def _dropped(case: UseCase, context: Context, tokens: Array, silenced: Factors) -> tuple[Array, Array]:
    """Logits (B, T, V) of a text in training mode with dropout, by the cache and by one forward, under one seed."""
    config = case.config | {"dropout": DROPOUT}
    weights = case.seeded(context.seeds, factors=silenced)
    decode = Decode(config=config, weights=weights, training=True, seed=1, parents=(-1,))
    forward = Forward(config=config, weights=weights, training=True, recording=True, seed=1)
    decoded = context.ask(decode, {"chunk.0": tokens})["logits.0"]
    return decoded, context.ask(forward, {"tokens.0": tokens})["logits.0"]


@check(
    needs=(*MODEL_WORKS, cached_equals_full, generate_is_greedy),
    cases=cases_in_use(),
    confirm=_cache_in_any_state_confirm,
    at_size=used_at_size,
    examples=3,
)
def cache_in_any_state(case: UseCase, context: Context) -> None:
    """Decoding and generating say the same in any state that a model can be in.

    ## Why it matters
    A model that was just trained has gradients, and the mode that training left it in; one with dropout decodes in
    evaluation as any other. And in use a model is in float32.

    ## Usual causes
    - Decoding goes another way in training mode, or where gradients are recorded.
    - The mask or the positions depend on how many rows there are, or on how long the prompt is.
    - What is kept is rounded, or cut.
    """
    # In float32: the chunks, and what is generated, beside one forward; in one state, and then in the opposite one.
    #
    # A cache over a model with bugs has others to agree with than that: it is left to ``cached_equals_full``.
    otherwise = case.otherwise()
    filled = replace(otherwise, chunks=(case.length,), block_size=case.length)
    begun = _beginning(otherwise, *OTHER_WAYS[case.weights % len(OTHER_WAYS)])
    for decoded, generated in ((case, case), (filled, begun)):
        plain = _plain(decoded, context)
        if plain is None:
            return
        whole = _whole(decoded, context)
        if not close(whole, plain, REORDERED):
            continue  # a forward that is another one in this state is for other comparisons to find
        try:
            _require_decoded(decoded, whole, context)
            _require_nothing_new(decoded, context)
            for use_cache in (True, False):
                _require_greedy_in_state(generated, context, use_cache=use_cache)
        except CheckFailed:
            # With dropout, a forward that leaves another mode behind drops in the next one.
            if not (decoded.dropout and _changes_modes(case, context)):
                raise


def _changes_modes(case: UseCase, context: Context) -> bool:
    return forward_is_to_blame(case.config, case.seeded(context.seeds), case.token_array(), context, trace="trace-mode")


def _whole(case: UseCase, context: Context) -> Array:
    """Logits (B, T, V) of one forward in that state."""
    tokens = case.token_array()
    question = Forward(**_state(case, context), training=case.training)
    return logits_of(context.ask(question, {"tokens.0": tokens}), "logits.0", tokens)


def _require_decoded(case: UseCase, whole: Array, context: Context) -> None:
    """Require of the chunks the logits of one forward in that state."""
    answer = _decoded(case, context)
    decoded = joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])
    if decoded.shape != whole.shape or not close(decoded, whole, "logits, float32, cached"):
        filled = f", which fill block_size={case.block_size}" if case.length == case.block_size else ""
        raise CheckFailed(
            "state-matters",
            "logits of cached decoding are those of the full forward (in float32, up to rounding)",
            f"{_in_words(case)}, decoded in chunks of {' + '.join(map(str, case.chunks))} tokens{filled}, they differ",
            grid=TokenGrid(tokens=case.tokens),
        )


def _require_nothing_new(case: UseCase, context: Context) -> None:
    """Require the prompt of who asks for no new token."""
    question = Generate(
        **_state(case, context), training=case.training, max_new_tokens=0, use_cache=bool(case.weights % 2)
    )
    tokens = context.ask(question, {"prompt": case.token_array()})["tokens"]
    _require_continued(case, tokens, 0, "with no new tokens asked for, generate returns the prompt")


def _decoded(case: UseCase, context: Context) -> Tensors:
    """The answer to decoding. A cache that is written into cannot be recorded for a backward pass, and says so."""
    parents = tuple(range(-1, len(case.chunks) - 1))
    question = Decode(**_state(case, context), training=case.training, parents=parents)
    if case.recording:
        try:
            return context.ask(replace(question, recording=True), case.chunk_tensors())
        except PackageRaised as raised:
            if not raised.is_a("RuntimeError"):
                raise
    return context.ask(question, case.chunk_tensors())


class Way(NamedTuple):
    """How many tokens of a prompt are taken, 0 for all, and how many new ones are asked for."""

    prompt: int
    new: int


OTHER_WAYS: Final = (Way(1, 1), Way(0, 1), Way(1, 2))


def _beginning(case: UseCase, prompt: int, new: int) -> UseCase:
    """A shorter prompt, or the whole one, and as many new tokens as there are positions for."""
    prompt = prompt or case.length
    new = min(new, case.block_size - prompt)
    return replace(case, tokens=tuple(row[:prompt] for row in case.tokens), chunks=(prompt,), new=new)


def _plain(case: UseCase, context: Context) -> Array | None:
    """The candidate's logits (B, T, V) in float32, in eval mode and with nothing else; None where a bug of the model is
    known to be left, or they are not about the reference's."""
    left, right = (
        {name: text for name, text in package.files.items() if name != "train.py"}
        for package in (context.variant, context.reference)
    )
    if left != right:
        return None
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision="float32")
    plain, expected = (
        package.ask(question, {"tokens.0": case.token_array()})["logits.0"]
        for package in (context.candidate, context.reference)
    )
    return plain if close(plain, expected, REORDERED) else None


def _state(case: UseCase, context: Context) -> dict[str, Any]:
    """What all questions about a case have in common."""
    weights = replace(case.seeded(context.seeds), graded=case.graded, warm=case.warm)
    return {"config": case.used, "weights": weights, "precision": "float32", "views": case.views}


def _require_greedy_in_state(case: UseCase, context: Context, *, use_cache: bool) -> None:
    claim, state = _claim_of(case.new, use_cache=use_cache), _state(case, context)
    question = Generate(**state, training=case.training, max_new_tokens=case.new, use_cache=use_cache)
    tokens = context.ask(question, {"prompt": case.token_array()})["tokens"]
    _require_continued(case, tokens, case.new, claim)
    answer = context.ask(Forward(**state, training=case.training), {"tokens.0": tokens})
    scores = logits_of(answer, "logits.0", tokens)
    _require_greedy(tokens, scores, case.length, f"{_in_words(case)}, {claim}", REORDERED)


def _in_words(case: UseCase) -> str:
    """``in training mode, with gradients``."""
    said = ["in training mode" if case.training else "in eval mode"]
    return ", ".join(said + ["with dropout"] * bool(case.dropout) + ["with gradients left"] * case.graded)
