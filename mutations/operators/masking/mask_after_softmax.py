"""The mask is applied to the weights, after the softmax, instead of to the scores before it.

## What it does
Swaps two steps: first all scores are normalised, hidden ones too, then the hidden weights are set to zero.

## Why it is wrong
The sum by which a softmax divides runs over every position, so each visible weight depends on every hidden score.
And what is left of a row no longer sums to one: early positions, which see little, get next to nothing.

## Symptom
The weights look right at first sight, zero above the diagonal. The model trains, and is weakest at the start of a
sequence.

## How to find it
Sum the weights of each row: all sums must be one. Or change a late token: early logits move, if only a little.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import Fill, fills, softmax_input, softmaxes
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """A softmax of filled scores, in one expression or in two statements that follow each other."""
    for softmax in softmaxes(source):
        scores = softmax_input(softmax)
        for fill in fills(source):
            if scores is None or not leaves_nothing_unread(source, fill.value):
                continue
            mask = f".masked_fill({source.code(fill.mask)}, 0.0)"
            if scores is fill.call:
                weights = source.replace_within(softmax.call, fill.call, source.code(fill.scores)).after
                yield source.replace(softmax.call, weights + mask)
            elif (filled := _name_filled(source, fill)) is not None and filled.deep_equals(scores):
                yield from _in_two_lines(source, fill, softmax.call, mask)


def _name_filled(source: Source, fill: Fill) -> cst.BaseExpression | None:
    """The name in which a statement leaves the filled scores, if it reads them from the same name."""
    statement = source.parent(fill.call)
    if isinstance(statement, cst.Assign) and statement.targets[0].target.deep_equals(fill.scores):
        return fill.scores
    in_place = m.matches(fill.call.func, m.Attribute(value=m.Name(), attr=m.Name("masked_fill_")))
    return fill.scores if in_place and isinstance(statement, cst.Expr) else None


def _in_two_lines(source: Source, fill: Fill, softmax: cst.Call, mask: str) -> Iterator[Edit]:
    """The statement that fills and the one that normalises, in the other order."""
    assignment = source.parent(softmax)
    first, second = source.parent(source.parent(fill.call)), source.parent(assignment)
    if not isinstance(assignment, cst.Assign) or not m.matches(assignment.targets[0].target, m.Name()):
        return
    siblings = source.siblings(first)
    if second not in siblings or siblings.index(second) != siblings.index(first) + 1:
        return
    (start, end), (below, last) = source.span(first), source.span(second)
    between = source.code_between(end, below)
    if not between.strip():  # a comment would stay with the wrong statement
        weights = source.code(assignment.targets[0].target)
        yield source.replace_span(start, last, f"{source.code(second)}{between}{weights} = {weights}{mask}")


ATTEND = "def attend(q, k, v, mask):\n    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))\n"

OPERATOR = Operator(
    id="mask-after-softmax",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/huggingface/pytorch-image-models/pull/2236",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Early positions learn less than late ones, and their logits move when a later token changes.",
        area="Look at the weights of attention, row by row, and add each row up.",
        mechanism="Ask of each step between the scores and the mean of the values which numbers it has seen.",
    ),
    examples=(
        Example(
            ATTEND
            + '    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)  # (T, T)\n'
            + "    return weights @ v\n",
            ATTEND + "    weights = scores.softmax(dim=-1).masked_fill(mask, 0.0)  # (T, T)\n    return weights @ v\n",
        ),
        Example(
            ATTEND + "    return F.softmax(scores.masked_fill(~mask, -1e9), dim=-1) @ v\n",
            ATTEND + "    return F.softmax(scores, dim=-1).masked_fill(~mask, 0.0) @ v\n",
        ),
        Example(
            ATTEND
            + '    scores = scores.masked_fill(mask == 0, float("-inf"))\n'
            + "    scores = F.softmax(scores, dim=-1)  # (T, T)\n    return scores @ v\n",
            ATTEND
            + "    scores = F.softmax(scores, dim=-1)\n"
            + "    scores = scores.masked_fill(mask == 0, 0.0)  # (T, T)\n    return scores @ v\n",
        ),
        Example(
            ATTEND
            + "    scores.masked_fill_(mask, -math.inf)\n    weights = torch.softmax(scores, -1)\n"
            + "    return weights @ v\n",
            ATTEND
            + "    weights = torch.softmax(scores, -1)\n    weights = weights.masked_fill(mask, 0.0)\n"
            + "    return weights @ v\n",
        ),
    ),
    look_alikes=(
        'def sample(logits):\n    return logits.masked_fill(logits < least, float("-inf")).softmax(dim=-1)\n',
        ATTEND
        + '    hidden = scores.masked_fill(mask, float("-inf"))\n    report(hidden)\n'
        + "    return scores.softmax(dim=-1) @ v\n",
    ),
    edits=edits,
)
