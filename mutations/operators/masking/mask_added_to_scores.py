"""The boolean mask is added to the scores, as if it were a mask of minus infinities.

## What it does
Puts a sum where the forbidden scores were filled. True counts as one, so a marked score grows by one.

## Why it is wrong
A mask that is added must hold zeros and minus infinities. Zeros and ones hardly change a softmax: nothing is hidden.
Which scores gain depends on what the mask marks; where it marks the future, the future is preferred.

## Symptom
The training loss is too good, and what the model generates is poor. The line looks like one in many other models.

## How to find it
Print the scores as the softmax receives them. Are there any that no exponential can bring back?
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import fills
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

TESTED = m.Comparison(comparisons=[m.ComparisonTarget(m.Equal(), m.Integer("0") | m.Name("False"))])


def edits(source: Source) -> Iterator[Edit]:
    """Where the scores of attention are filled, not in place: scores plus what the condition is about."""
    for fill in fills(source):
        mask = fill.mask
        if isinstance(mask, cst.UnaryOperation) and isinstance(mask.operator, cst.BitInvert):
            mask = mask.expression
        elif isinstance(mask, cst.Comparison) and m.matches(mask, TESTED):
            mask = mask.left
        plain = isinstance(mask, cst.Name | cst.Attribute | cst.Subscript)
        if plain and m.matches(fill.call.func, m.Attribute(attr=m.Name("masked_fill"))):
            total = f"{source.code(fill.scores)} + {source.code(mask)}"
            around = source.parent(fill.call)
            if leaves_nothing_unread(source, fill.value):
                yield source.replace(fill.call, f"({total})" if isinstance(around, cst.Attribute) else total)


ATTEND = "def attend(q, k, v, mask):\n    scores = q @ k.transpose(-2, -1)\n"

OPERATOR = Operator(
    id="mask-added-to-scores",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/huggingface/transformers/pull/41443",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The training loss is too good to be true, as if the model had read ahead.",
        area="Look at the scores of attention just before they are normalised.",
        mechanism="Ask what True is worth as a number, and what a hidden score would have to be worth.",
    ),
    examples=(
        Example(
            ATTEND + '    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)\n    return weights @ v\n',
            ATTEND + "    weights = (scores + mask).softmax(dim=-1)\n    return weights @ v\n",
        ),
        Example(
            ATTEND
            + '    scores = scores.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))\n'
            + "    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND + "    scores = scores + self.bias[:, :, :T, :T]\n    return F.softmax(scores, dim=-1) @ v\n",
        ),
        Example(
            ATTEND + "    return F.softmax(scores.masked_fill(~mask, -1e9), dim=-1) @ v\n",
            ATTEND + "    return F.softmax(scores + mask, dim=-1) @ v\n",
        ),
    ),
    look_alikes=(
        'def sample(logits):\n    return logits.masked_fill(hidden, float("-inf")).softmax(dim=-1)\n',
        ATTEND + '    return scores.masked_fill(rows > columns, float("-inf")).softmax(dim=-1) @ v\n',
        ATTEND + "    scores.masked_fill_(mask, -1e9)\n    return F.softmax(scores, dim=-1) @ v\n",
    ),
    edits=edits,
)
