"""ALiBi raises a score for each step back instead of lowering it.

## What it does
Adds the bias with the other sign.

## Why it is wrong
The bias is there so that near tokens count more, unless content says otherwise, and so that texts longer than those of
the training do no harm. With the other sign each head looks at the beginning of the text, the more so the longer it is.

## Symptom
The loss falls more slowly, and it rises with the length of the text. Nothing crashes.

## How to find it
Give all tokens the same embedding, and print the attention weights of the last one: they should rise towards the end.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.schemes import speaks_of_slopes
from mutations.source import Source

PRODUCT = m.BinaryOperation(operator=m.Multiply())


def edits(source: Source) -> Iterator[Edit]:
    """Negated distances times slopes, and slopes times distances that are subtracted from scores."""
    for node in source.find(PRODUCT):
        product = cst.ensure_type(node, cst.BinaryOperation)
        for one, other in ((product.left, product.right), (product.right, product.left)):
            if not isinstance(one, cst.UnaryOperation) or not isinstance(one.operator, cst.Minus) or one.lpar:
                continue
            if speaks_of_slopes(source, other) or speaks_of_slopes(source, one.expression):
                yield source.replace_within(product, one, source.code(one.expression))
    for node in source.find(m.BinaryOperation(operator=m.Subtract(), right=PRODUCT)):
        difference = cst.ensure_type(node, cst.BinaryOperation)
        product = cst.ensure_type(difference.right, cst.BinaryOperation)
        if speaks_of_slopes(source, product.left) or speaks_of_slopes(source, product.right):
            (_, left), (right, _) = source.span(difference.left), source.span(difference.right)
            yield source.replace_span(left, right, source.code_between(left, right).replace("-", "+", 1))


OPERATOR = Operator(
    id="far-keys-favoured",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/meta-pytorch/attention-gym/pull/86",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="With a linear bias the model pays most heed to how a text begins, and gets worse the longer it is.",
        area="Let all tokens be the same, and print whom the last one attends to.",
        mechanism="What is further away should count for less. Follow one number, step by step back, into the softmax.",
    ),
    examples=(
        Example(
            "bias = -distances[:, None] * alibi_slopes(n_head)  # (T, H)\n",
            "bias = distances[:, None] * alibi_slopes(n_head)  # (T, H)\n",
        ),
        Example(
            "scores = scores - self.slopes[:, None, None] * distance\n",
            "scores = scores + self.slopes[:, None, None] * distance\n",
        ),
        Example("bias = slopes.view(-1, 1, 1) * -steps\n", "bias = slopes.view(-1, 1, 1) * steps\n"),
    ),
    look_alikes=(
        "bias = -distances[:, None] * weights\n",
        "bias = self.slopes[:, None, None] * keys\n",
        "error = target - slope\n",
    ),
    edits=edits,
)
