"""Attention takes exponentials of its scores as they are, and divides them by their sum.

## What it does
Writes the softmax out, without the step that every library does first: to subtract the largest score of each row.

## Why it is wrong
On paper the step changes nothing. A float32 has no number for the exponential of 89, so the first score that is larger
becomes infinity, and infinity over infinity is NaN. Where all scores of a row are very small, it is zero over zero.

## Symptom
None while scores are moderate, which they are in a fresh model and in most tests. Then one batch gives NaN, and after
the next update every parameter is.

## How to find it
Multiply the query weights by a hundred. A softmax only gets more decided; this gives NaN.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import softmax_input, softmaxes
from mutations.source import Source

LAST = m.UnaryOperation(m.Minus(), m.Integer("1"))


def edits(source: Source) -> Iterator[Edit]:
    """A softmax over the last axis that is given a name, with nothing else in its statement."""
    for softmax in softmaxes(source):
        statement = source.parent(softmax.call)
        scores = softmax_input(softmax)
        if scores is None or softmax.dim is None or not m.matches(softmax.dim.value, LAST):
            continue
        if not m.matches(statement, m.Assign(targets=[m.AssignTarget(m.Name())])) or _says_more(softmax.call):
            continue
        if not _is_not_missed(source, softmax.call):
            continue
        name = source.code(cst.ensure_type(statement, cst.Assign).targets[0].target)
        start, _ = source.span(statement)
        indent = source.code_between(source.line_start(start), start)
        text = source.code(scores)
        plain = isinstance(scores, cst.Name | cst.Call | cst.Attribute | cst.Subscript)
        taken = f"{text if plain else f'({text})'}.exp()"
        yield source.replace(softmax.call, f"{taken}\n{indent}{name} = {name} / {name}.sum(dim=-1, keepdim=True)")


def _says_more(call: cst.Call) -> bool:
    """Whether a softmax is given a type to work in."""
    return any(arg.keyword is not None and arg.keyword.value not in ("dim", "input") for arg in call.args)


def _is_not_missed(source: Source, call: cst.Call) -> bool:
    """Whether the module that a softmax is taken from, if it is a name, has another use in the file."""
    func = call.func
    if not isinstance(func, cst.Attribute) or not m.matches(func.value, m.Name("F")):
        return not isinstance(func, cst.Name)
    return len(source.find(m.Attribute(value=m.Name("F")))) > 1


MADE = "def attend(q, k, v, hidden):\n    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))\n"

OPERATOR = Operator(
    id="exponentials-of-raw-scores",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/mila-iqia/blocks/pull/727",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training goes well for a long time. Then one batch gives NaN, and so does all that comes after.",
        area="Make the numbers that attention compares larger and larger, and see where the first NaN is born.",
        mechanism="Some functions grow faster than numbers can. What may be taken away from all their inputs alike?",
    ),
    examples=(
        Example(
            MADE + '    weights = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)  # (T, T)\n'
            "    return weights @ v\n",
            MADE + '    weights = scores.masked_fill(hidden, float("-inf")).exp()\n'
            "    weights = weights / weights.sum(dim=-1, keepdim=True)  # (T, T)\n    return weights @ v\n",
        ),
        Example(
            MADE + "    scores = F.softmax(scores + hidden, dim=-1)\n    return F.dropout(scores @ v)\n",
            MADE + "    scores = (scores + hidden).exp()\n    scores = scores / scores.sum(dim=-1, keepdim=True)\n"
            "    return F.dropout(scores @ v)\n",
        ),
    ),
    look_alikes=(
        MADE + "    return scores.softmax(dim=-1) @ v\n",
        MADE + "    weights = scores.softmax(dim=-2)\n    return weights @ v\n",
        MADE + "    weights = F.softmax(scores, dim=-1)\n    return weights @ v\n",
        "def choose(logits):\n    chances = logits.softmax(dim=-1)\n    return chances\n",
    ),
    edits=edits,
)
