"""What rows that are read together have to agree with: each of them alone.

As for any cache (``grader.checks.cache.agreement``), a bug that is left in the model is not theirs: they are right if
they agree, over all cases, with the candidate's own forward of each row, or with some variant of the reference that
reads each row alone, or all of them together.
"""

from collections.abc import Callable, Iterator

from grader.checks.cache.agreement import Agreement, joined
from grader.checks.check import CheckFailed, Context
from grader.checks.grids import logits_of
from grader.checks.ragged.cases import RaggedCase
from grader.packages.package import Package
from grader.sandbox.questions import Decode, Forward
from grader.sandbox.wire import Array, Tensors


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
            f"read in chunks of {case.told()} tokens, one number a row, some row has other logits",
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


def full(case: RaggedCase, oracle: Package, context: Context) -> Array:
    """One forward of each row: (1, N, V)."""
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    answer = oracle.ask(question, {f"tokens.{i}": row for i, row in enumerate(case.rows())})
    return joined([answer[f"logits.{i}"] for i in range(len(case.tokens))])


def chunked(case: RaggedCase, oracle: Package, context: Context) -> Array:
    """Each row decoded alone, chunk by chunk, without those that bring it nothing: (1, N, V)."""
    parents: list[int] = []
    tensors: dict[str, Array] = {}
    for row in case.pieces():
        for number, piece in enumerate(piece for piece in row if piece.size):
            tensors[f"chunk.{len(parents)}"] = piece.copy()
            parents.append(len(parents) - 1 if number else -1)
    answer = oracle.ask(Decode(config=case.config, weights=case.seeded(context.seeds), parents=tuple(parents)), tensors)
    return joined([answer[f"logits.{i}"] for i in range(len(parents))])


def together(case: RaggedCase, oracle: Package, context: Context) -> Array:
    """The rows read together by another package: (1, N, V)."""
    return by_row(case, oracle.ask(case.in_turn(context.seeds), case.steps()))
