"""Checks of decoding rows of different lengths."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.agreement import Agreement, closeness, joined
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import TOLERANCES, same_bits
from grader.checks.decoding_cases import Lengths, RaggedCase, mixed_cases, ragged_case, ragged_cases
from grader.checks.families.kv_cache import cache_limits, cache_tensors, cached_equals_full, generate_is_greedy, given
from grader.checks.families.masking import MODEL_WORKS
from grader.checks.requirements import logits_of, must_refuse
from grader.checks.snippets import model_snippet
from grader.checks.strategies import ModelCase, extended, model_cases
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.result.record import TokenGrid
from grader.sandbox.questions import Decode, Forward, Generate
from grader.sandbox.wire import Array, Tensors

# Each row is judged by what it is alone: a forward, and a cache, that are wrong by themselves have owners already.
CACHE_WORKS: Final = (*MODEL_WORKS, cached_equals_full)


# What rows that are read together have to agree with: each of them alone.
#
# As for any cache (``grader.checks.agreement``), a bug that is left in the model is not theirs: they are right if
# they agree, over all cases, with the candidate's own forward of each row, or with some variant of the reference that
# reads each row alone, or all of them together.


def rows_agree(case: RaggedCase, context: Context, kind: str, claim: str) -> None:
    """Read the rows together, and require the logits that they have alone."""
    agreement = context.state.setdefault("agreement", Agreement(context, standards(context)))
    answer = context.ask(case.in_turn(context.seeds), case.steps())
    for chunk in range(len(case.lengths)):
        logits_of(answer, f"logits.{chunk}", case.real(chunk))
    if not agreement.holds(case, by_row(case, answer)):
        raise CheckFailed(
            kind,
            claim,
            f"read in chunks of {case.sizes()} tokens, one number a row, some row has other logits",
            grid=case.grid(),
        )


def standards(context: Context) -> Iterator[Callable[[RaggedCase], Array]]:
    """What rows that are read together may agree with."""
    yield lambda case: full(case, context.candidate, context)
    for variant in context.variants():
        yield lambda case, v=variant: full(case, v, context)  # type: ignore[misc]
        yield lambda case, v=variant: chunked(case, v, context)  # type: ignore[misc]
        yield lambda case, v=variant: together(case, v, context)  # type: ignore[misc]


def by_row(case: RaggedCase, answer: Tensors) -> Array:
    """The logits of all real tokens, row after row: (1, N, V); an empty array when they do not fit together."""
    logits = [answer[f"logits.{i}"] for i in range(len(case.lengths))]
    return joined(
        [
            chunk[row : row + 1, : lengths[row]]
            for row in range(len(case.tokens))
            for chunk, lengths in zip(logits, case.lengths, strict=True)
        ]
    )


def full(case: RaggedCase, package: Package, context: Context) -> Array:
    """One forward of each row: (1, N, V)."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer = package.ask(question, {f"tokens.{i}": row for i, row in enumerate(case.rows())})
    return joined([answer[f"logits.{i}"] for i in range(len(case.tokens))])


def chunked(case: RaggedCase, package: Package, context: Context) -> Array:
    """Each row decoded alone, chunk by chunk, without those that bring it nothing: (1, N, V)."""
    parents: list[int] = []
    tensors: dict[str, Array] = {}
    for row in case.pieces():
        for number, piece in enumerate(piece for piece in row if piece.size):
            tensors[f"chunk.{len(parents)}"] = piece.copy()
            parents.append(len(parents) - 1 if number else -1)
    answer = package.ask(
        Decode(config=case.config, weights=case.seeded(context.seeds), parents=tuple(parents)), tensors
    )
    return joined([answer[f"logits.{i}"] for i in range(len(parents))])


def together(case: RaggedCase, package: Package, context: Context) -> Array:
    """The rows read together by another package: (1, N, V)."""
    return by_row(case, package.ask(case.in_turn(context.seeds), case.steps()))


# Plain PyTorch that shows rows of different lengths.


def ragged_snippet(case: RaggedCase) -> str:
    """Read the rows together, and each alone, and compare where there is a token."""
    chunks = [
        (case.chunk(i).tolist(), None if i in case.plain else list(lengths)) for i, lengths in enumerate(case.lengths)
    ]
    listed = "".join(f"    {chunk},\n" for chunk in chunks)
    return model_snippet(
        case,
        f"""
totals = {list(case.totals())}  # how many of these tokens each row reads
chunks = [  # the tokens of each chunk, padding included, and how many of a row's are real
{listed}]
cache, read = None, [[] for _ in totals]
for chunk, lengths in chunks:
    named = {{}} if lengths is None else {{"lengths": torch.tensor(lengths)}}
    logits, cache = model.forward_incremental(torch.tensor(chunk), cache, **named)
    for row, real in enumerate(lengths or [len(row) for row in chunk]):
        read[row].append(logits[row, :real])
for row, total in enumerate(totals):
    alone = model(tokens[row : row + 1, :total])[0]
    difference = (torch.cat(read[row]) - alone).abs().amax(dim=1)  # one number a position
    print(row, difference)
    assert (difference <= 1e-9).all(), f"row {{row}} has other logits than alone"
""",
    )


EQUAL_ALONE = (
    "a row of a batch has the logits that it has alone (in float64, up to rounding), whatever the others' lengths"
)


@check(
    cases=ragged_cases(),
    at_size=ragged_case,
    snippet=ragged_snippet,
    needs=CACHE_WORKS,
    examples=8,
)
def ragged_rows_equal_alone(case: RaggedCase, context: Context) -> None:
    """Rows of different lengths, decoded in one batch, have the logits that each of them has alone.

    ## Why it matters
    Prompts that arrive together are seldom of one length. A batch saves time only if an answer does not show who
    else was in it.

    ## Usual causes
    - Positions are counted for the longest row, so that shorter rows go on too far to the right.
    - Padding is cached with the rest, and what comes next is put behind it.
    - One mask is made for all rows, where each needs its own.
    - The cache remembers how long the rows of the last chunk were, and not how long they are in sum.
    """
    # Every chunk brings every row a token at least.
    rows_agree(case, context, "rows-differ", EQUAL_ALONE)


MAY_PAUSE = "a row that has no token in some chunk has the logits that it has alone (in float64, up to rounding)"


@check(
    cases=ragged_cases(chunks=(2, 4), least=0),
    snippet=ragged_snippet,
    needs=CACHE_WORKS,
    examples=8,
)
def ragged_rows_may_pause(case: RaggedCase, context: Context) -> None:
    """A row may have no token in a chunk: one that is done, one that waits, one that joins later.

    ## Why it matters
    Rows of a batch end at different times. As long as those that are done cannot be left out, each batch takes as long
    as its longest row, and nothing new can begin in between.

    ## Usual causes
    - A length of zero is taken for no length at all.
    - What pads the chunk of a row without tokens is cached, and what that row reads next is put behind it.
    - A row that has nothing to look at yet gives NaN, and what is multiplied by zero later stays NaN.
    """
    # Some chunk brings some row nothing, be it the first, the last or one between.
    rows_agree(case, context, "pause-shows", MAY_PAUSE)


LEFT_OUT = "where lengths are left out, all tokens of the chunk are real, and each row goes on where it stands"


@check(cases=mixed_cases(), snippet=ragged_snippet, needs=CACHE_WORKS, examples=4)
def ragged_lengths_left_out(case: RaggedCase, context: Context) -> None:
    """Chunks with lengths and chunks without may follow each other.

    ## Why it matters
    Where lengths are left out, all tokens are real: so a plain cache can be continued with rows that differ, and rows
    that differ with one token each, as generating does.

    ## Usual causes
    - A plain cache, which names no lengths, is taken for an empty one.
    - Without lengths the plain path is taken, though the rows of the cache differ.
    """
    # A plain chunk, one with lengths, and one that leaves them out again.
    rows_agree(case, context, "mix-differs", LEFT_OUT)


GENERATED_ALONE: Final = (
    "greedy decoding in a batch of prompts of different lengths gives each the tokens it gets alone"
)


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


@check(cases=prompt_cases(), needs=(*CACHE_WORKS, generate_is_greedy), examples=8)
def ragged_generation(case: Prompts, context: Context) -> None:
    """Prompts of different lengths, continued together, get the tokens that each gets alone.

    ## Why it matters
    This is what rows of different lengths are for: one prompt after the other is what a batch is to be faster than.
    Rows that have all their tokens stay in the batch, and must neither change nor change the others.

    ## Usual causes
    - The next token is put behind the longest prompt instead of behind its own.
    - Rows that are done are given a token all the same.
    """
    # Each prompt is continued alone; then all are fed those tokens together, and must expect every one of them.
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
                    GENERATED_ALONE,
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


HUGE: Final = 1e30  # finite, so that zero times it is zero, and so far within float32 that scores do not overflow


@check(cases=ragged_cases(), needs=CACHE_WORKS, examples=4)
def ragged_padding_is_ignored(case: RaggedCase, context: Context) -> None:
    """What stands in the place of padding changes nothing, be it tokens of a chunk or what is cached behind a row's
    end.

    ## Why it matters
    Padding is whatever was there: another prompt's tokens, memory that was not cleared. If it is read, an answer
    depends on it, and no test that always pads with zeros will say so.

    ## Usual causes
    - Keys of padding are left open to the queries, of the same chunk or of the next.
    - What is masked has its score lowered by some large number, and a larger one beats it.
    - The slots behind a row's end are taken for tokens, since a longer row has some there.
    """
    # Other tokens for padding; then huge numbers in the cache behind the end of each row.
    last = len(case.lengths) - 1
    twice = case.in_turn(context.seeds, keep=(last - 1,))
    parents = (*twice.parents, *(-1 if parent < 0 else parent + last + 1 for parent in twice.parents))
    question = Decode(config=twice.config, weights=twice.weights, parents=parents, keep=twice.keep)
    others = [case.step(last + 1 + i, i, shift=1) for i in range(last + 1)]
    answer = context.ask(question, case.steps() | {name: array for step in others for name, array in step.items()})
    for i in range(last + 1):
        _must_stay(
            case, answer, (f"logits.{i}", f"logits.{last + 1 + i}"), i, "padding-read", "other tokens as padding"
        )
    _must_stand_poison(case, context, cache_tensors(answer, last - 1))


def _must_stand_poison(case: RaggedCase, context: Context, cache: Tensors) -> None:
    """The last chunk, read with a cache as it was and with one that is poisoned."""
    last = len(case.lengths) - 1
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-2, -3), layers=len(cache) // 2)
    poisoned = {name: _poisoned(case, name, array) for name, array in cache.items()}
    tensors = case.step(0, last) | case.step(1, last) | given(cache) | given(poisoned, 1)
    answer = context.ask(question, tensors)
    what = f"{HUGE:g} in the cache behind the end of each row"
    _must_stay(case, answer, ("logits.0", "logits.1"), last, "poison-read", what)


def _poisoned(case: RaggedCase, name: str, array: Array) -> Array:
    """Keys or values (B, H, T, D) that are huge, of either sign, behind the end of each row."""
    if name == "lengths":
        return array
    if array.ndim != 4 or len(array) != len(case.tokens):
        raise CheckFailed("cache-shape", "cached keys and values have shape (B, H, T, D)", "they have another")
    poisoned = array.copy()
    for row, total in enumerate(case.totals(len(case.lengths) - 1)):
        behind = poisoned[row, :, total:]
        behind[...] = HUGE * np.cos(np.pi * np.arange(behind.size)).reshape(behind.shape)
    return poisoned


def _must_stay(case: RaggedCase, answer: Tensors, names: tuple[str, str], chunk: int, kind: str, what: str) -> None:
    before, after = (case.real_logits(answer, name, chunk) for name in names)
    if closeness(after, before) is None:
        raise CheckFailed(
            kind,
            "padding is never read: the logits of real tokens do not depend on what stands there",
            f"read in chunks of {case.sizes()} tokens, one number a row: with {what}, real tokens have other logits",
            grid=case.grid(),
        )


@check(cases=ragged_cases(), needs=CACHE_WORKS, examples=3)
def ragged_cache_tells_lengths(case: RaggedCase, context: Context) -> None:
    """The cache says how many tokens each row has, and keeps them first.

    ## Why it matters
    `lengths` is all that tells a row's tokens from what is beside them: who drops rows, sends a cache elsewhere or goes
    on with it later has nothing else to go by.

    ## Usual causes
    - It holds the lengths of the last chunk, not of all that was read.
    - Padding is counted.
    - It is made from the plain path's cache, and gets lost there.
    """
    # After every chunk.
    steps = range(len(case.lengths))
    answer = context.ask(case.in_turn(context.seeds, keep=tuple(steps)), case.steps())
    for step in steps:
        cache = cache_tensors(answer, step)
        totals = case.totals(step + 1)
        given = cache.pop("lengths", None)
        if given is None and len(set(totals)) == 1:
            continue  # rows of one length may as well be kept in a plain cache
        after = f"read in chunks of {case.sizes()} tokens, one number a row, after chunk {step} "
        claim = f"cache.lengths is then {list(totals)}, int64 (B,): all tokens that each row has read"
        if given is None:
            raise CheckFailed("no-lengths", claim, f"{after}it is None", grid=case.grid())
        if given.shape != (len(totals),) or given.dtype.kind not in "iu":
            shape = f"{given.dtype} of shape {tuple(given.shape)}"
            raise CheckFailed("lengths-shape", claim, f"{after}it is {shape}", grid=case.grid())
        if given.tolist() != list(totals):
            raise CheckFailed("other-lengths", claim, f"{after}it is {given.tolist()}", grid=case.grid())
        _must_have_room(case, cache, max(totals))


def _must_have_room(case: RaggedCase, cache: Tensors, longest: int) -> None:
    rows, width = len(case.tokens), case.d_model
    for name, array in cache.items():
        shape = tuple(array.shape)
        if len(shape) != 4 or shape[:2] != (rows, 1) or shape[2] < longest or shape[3] != width:
            part, layer = name.split(".")
            raise CheckFailed(
                "cache-shape",
                f"layers[{layer}].{part} has shape (B, H, T, D) = ({rows}, 1, T, {width}), T at least {longest}",
                f"it has shape {shape}",
            )


@check(cases=ragged_cases(), needs=CACHE_WORKS, examples=3)
def ragged_cache_travels(case: RaggedCase, context: Context) -> None:
    """A cache of rows that differ in length, handed to another process, continues there as if nothing had happened.

    ## Why it matters
    Where the rows end is a part of the past, as the keys and values are. What a model remembers of it beside the cache
    is gone when another process goes on, and wrong as soon as another batch was read in between.

    ## Usual causes
    - Where the rows end is kept on the model, or in what padding was cached.
    - A mask of the last chunk is kept on the model.
    """
    # The last chunk is read by a worker that has never seen a prompt, from keys, values and lengths alone.
    last = len(case.lengths) - 1
    here = context.ask(case.in_turn(context.seeds, keep=(last - 1,)), case.steps())
    cache = cache_tensors(here, last - 1)
    question = Decode(config=case.config, weights=case.seeded(context.seeds), parents=(-2,), layers=len(cache) // 2)
    there = context.fresh_candidate.ask(question, case.step(0, last) | given(cache))
    lane = closeness(case.real_logits(there, "logits.0", last), case.real_logits(here, f"logits.{last}", last))
    if lane is None:
        raise CheckFailed(
            "stateful",
            "keys, values and lengths are all that is needed to go on",
            f"read in chunks of {case.sizes()} tokens, one number a row: another process, given the cache and the last "
            "chunk, computes other logits",
            grid=case.grid(),
        )
    context.lanes.add(lane)


@check(cases=ragged_cases(), needs=CACHE_WORKS, examples=3)
def ragged_rows_can_be_picked(case: RaggedCase, context: Context) -> None:
    """Rows of a cache can be dropped, put in another order and doubled, by indexing its tensors.

    ## Why it matters
    A row that is done makes room for another; a beam goes on from the best rows, some of them twice. With a cache of
    plain tensors that is one index, if nothing but the row itself says where it ends.

    ## Usual causes
    - The longest row is taken to fill the cache: when it is dropped, what is behind the others is read.
    - Where the rows end is kept elsewhere, in the old order.
    - Something is computed for the first row and used for all.
    """
    # The last chunk with all rows, and with some of them; each row must give the same.
    last = len(case.lengths) - 1
    picks = _picks(case.totals(last))
    tensors = case.steps()
    for step, rows in enumerate(picks, start=last + 1):
        tensors |= {name: array[list(rows)] for name, array in case.step(step, last).items()}
        tensors[f"rows.{step}"] = np.array(rows)
    parents = (*range(-1, last), *(last - 1 for _ in picks))
    answer = context.ask(Decode(config=case.config, weights=case.seeded(context.seeds), parents=parents), tensors)
    expected = _by_row(case, answer[f"logits.{last}"])
    for step, rows in enumerate(picks, start=last + 1):
        found = answer[f"logits.{step}"]
        if found.shape[:2] != (len(rows), case.width(last)):
            raise CheckFailed("shape", "each row that was picked has logits", f"they have shape {found.shape}")
        mine = [found[i, : len(expected[row])] for i, row in enumerate(rows)]
        if closeness(np.concatenate(mine), np.concatenate([expected[row] for row in rows])) is None:
            raise CheckFailed(
                "picked-differ",
                "after rows of a cache were picked, each goes on as it would have",
                f"read in chunks of {case.sizes()} tokens, one number a row: with rows {list(rows)} of the cache "
                "alone, the last chunk has other logits",
                grid=case.grid(),
            )


def _picks(totals: Lengths) -> tuple[Lengths, ...]:
    """All rows in reverse; all but the longest; the shortest twice."""
    by_length = sorted(range(len(totals)), key=lambda row: totals[row])
    return tuple(range(len(totals)))[::-1], tuple(sorted(by_length[:-1])), (by_length[0], *by_length)


def _by_row(case: RaggedCase, logits: Array) -> list[Array]:
    return [row[:length] for row, length in zip(logits, case.lengths[-1], strict=True)]


@check(cases=ragged_cases(chunks=(2, 2)), needs=CACHE_WORKS, examples=3)
def ragged_cache_unchanged(case: RaggedCase, context: Context) -> None:
    """A cache of rows that differ in length, too, is left as it was when it is continued.

    ## Why it matters
    There is room behind a row that is shorter than others, and it is tempting to write the next token there. But
    another continuation of the same cache would find it.

    ## Usual causes
    - New keys are written into the old tensors, where there was room.
    - What was read is added to the old lengths in place.
    """
    # Continue the first chunk one way, another way, and the first way again.
    question = Decode(
        config=case.config, weights=case.seeded(context.seeds), parents=(-1, 0, 0, 0), keep=(0,), recheck=True
    )
    other = case.step(2, 1)
    other["chunk.2"] = (other["chunk.2"] + 1) % case.vocab_size
    answer = context.ask(question, case.step(0, 0) | case.step(1, 1) | other | case.step(3, 1))
    if not same_bits(*(case.real_logits(answer, f"logits.{step}", 1) for step in (1, 3))):
        raise CheckFailed(
            "disturbed",
            "two continuations of one cache do not disturb each other",
            f"read in chunks of {case.sizes()} tokens, one number a row: after another continuation of the same cache, "
            "the first one gives other logits",
            grid=case.grid(),
        )
    for name in (name for name in answer if name.startswith("cache.")):
        if not same_bits(answer[name], answer["again." + name.removeprefix("cache.")]):
            raise CheckFailed(
                "overwritten",
                "the cache passed in is left as it was",
                f"{name.removeprefix('cache.0.')} of the cache changed while it was continued",
                grid=case.grid(),
            )


FITS = "a row that has no more than block_size tokens is read, whatever the padding of its chunks adds up to"


@st.composite
def full_cases(draw: DrawFn) -> RaggedCase:
    """The longest row fills the block, and the padding goes beyond."""
    case = draw(ragged_cases())
    return extended(case, RaggedCase, block_size=max(case.totals()), spare=1)


@check(cases=full_cases(), needs=(*CACHE_WORKS, cache_limits), examples=3)
def ragged_limits(case: RaggedCase, context: Context) -> None:
    """Only real tokens count towards block_size, and each row is held to it.

    ## Why it matters
    What is padding depends on who else is in the batch. Counted, it would turn away a prompt that fits; and a limit
    that is checked on one row, or on all together, lets another read positions that do not exist.

    ## Usual causes
    - The width of the chunk is added up, instead of the longest row's tokens.
    - Positions are looked up for padding too, though it stands beyond the last.
    - The lengths of the chunk are checked, without what the rows have read before.
    """
    # All that fits must be read; one token more must not.
    try:
        rows_agree(case, context, "full-differs", FITS)
    except PackageRaised as raised:
        if raised.unbuilt:
            raise
        seen = f"read in chunks of {case.sizes()} tokens, one number a row, of {case.block_size}: it raised {raised}"
        raise CheckFailed("padding-counted", FITS, seen, grid=case.grid()) from None
    steps, rows = len(case.lengths), len(case.tokens)
    one_more = Decode(config=case.config, weights=case.seeded(context.seeds), parents=tuple(range(-1, steps)))
    token = {f"chunk.{steps}": np.zeros((rows, 1), np.int64), f"lengths.{steps}": np.ones(rows, np.int64)}
    what = "one more token for each row, where one of them is full,"
    must_refuse(context, one_more, case.steps() | token, what, (case.block_size, case.block_size + 1))
