"""The mask is read the wrong way round: what it forbids is seen, and what it allows is hidden.

## What it does
Negates the condition under which a score is hidden.

## Why it is wrong
Some libraries mark what is allowed and others what is forbidden. Mixing the two gives the exact opposite of the
mask, and the last position, which may see everything, is left with nothing: a softmax over no score at all is 0 / 0.

## Symptom
NaN: the last position gives it, then the loss, and after one update so does every parameter.

## How to find it
Ask which position turns into NaN first, and print its row of the mask. Then compare what True means where the mask is
made and where it is used.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import fills
from mutations.source import Source

OTHER = {"0": "1", "1": "0", "True": "False", "False": "True"}
TESTED = m.Comparison(
    comparisons=[
        m.ComparisonTarget(m.Equal(), m.OneOf(*map(m.Name, ("True", "False")), m.Integer("0"), m.Integer("1")))
    ]
)


def edits(source: Source) -> Iterator[Edit]:
    """The condition that the scores of attention are filled by: negated, or its negation dropped."""
    for fill in fills(source):
        mask = fill.mask
        if isinstance(mask, cst.UnaryOperation) and isinstance(mask.operator, cst.BitInvert):
            yield source.replace_within(fill.call, mask, source.code(mask.expression))
        elif m.matches(mask, TESTED):
            value = cst.ensure_type(mask, cst.Comparison).comparisons[0].comparator
            yield source.replace_within(fill.call, value, OTHER[source.code(value)])
        elif isinstance(mask, cst.Name | cst.Attribute | cst.Subscript):
            yield source.replace_within(fill.call, mask, f"~{source.code(mask)}")


ATTEND = "def attend(q, k, v, mask):\n    scores = q @ k.transpose(-2, -1)\n"

OPERATOR = Operator(
    id="mask-polarity-inverted",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/InseeFrLab/torchTextClassifiers/pull/92",
    story=__doc__,
    visibility=Visibility.CRASH,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The very first loss is NaN.",
        area="Find the position whose logits are NaN while those before it are still numbers.",
        mechanism="Compare what a marked entry means to the code that makes the mask with what it means to the code "
        "that reads it.",
    ),
    examples=(
        Example(
            ATTEND + '    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)\n    return weights @ v\n',
            ATTEND + '    weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)\n    return weights @ v\n',
        ),
        Example(
            ATTEND + "    scores.masked_fill_(~mask[:T, :T], -math.inf)\n    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND + "    scores.masked_fill_(mask[:T, :T], -math.inf)\n    return F.softmax(scores, dim=-1) @ v\n",
        ),
        Example(
            ATTEND
            + '    scores = scores.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))\n'
            + "    return F.softmax(scores, dim=-1) @ v\n",
            ATTEND
            + '    scores = scores.masked_fill(self.bias[:, :, :T, :T] == 1, float("-inf"))\n'
            + "    return F.softmax(scores, dim=-1) @ v\n",
        ),
        Example(
            ATTEND + "    return F.softmax(scores.masked_fill(mask == False, -1e9), dim=-1) @ v\n",
            ATTEND + "    return F.softmax(scores.masked_fill(mask == True, -1e9), dim=-1) @ v\n",
        ),
    ),
    look_alikes=(
        'def sample(logits):\n    return logits.masked_fill(hidden, float("-inf")).softmax(dim=-1)\n',
        ATTEND + "    return F.softmax(scores + bias, dim=-1) @ v\n",
    ),
    edits=edits,
)
