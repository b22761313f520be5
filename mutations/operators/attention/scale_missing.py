"""The scores of attention are not scaled.

## What it does
Leaves the product of queries and keys as it is, without dividing it by the root of their width.

## Why it is wrong
A product of two vectors is a sum of as many terms as they are wide, and its spread grows with the root of that
number. Unscaled, a wide model starts with scores so far apart that the softmax picks one token and passes hardly any
gradient to the others.

## Symptom
A narrow model trains as well as ever, and with small initial weights nothing shows at the start. The wider the
model, the sooner attention fixes on single tokens.

## How to find it
Recompute one layer by hand from its own weights, on inputs of your own choice. The two must agree to rounding.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import Scale, scales
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where the scores of attention are scaled: what was scaled alone, or nothing where it was a statement."""
    for scale in scales(source):
        if not leaves_nothing_unread(source, scale.node, kept=[scale.scaled]):
            continue
        statement = _statement(source, scale)
        if statement is None:
            yield source.replace(scale.node, source.code(scale.scaled))
        elif len(source.siblings(statement)) > 1:
            yield source.remove(statement)


def _statement(source: Source, scale: Scale) -> cst.CSTNode | None:
    """The statement around a scale that does nothing else: `scores = scores / ...` or `scores /= ...`."""
    around = source.parent(scale.node)
    if isinstance(scale.node, cst.AugAssign):
        return around
    if isinstance(around, cst.Assign) and around.targets[0].target.deep_equals(scale.scaled):
        return source.parent(around)
    return None


HEAD = "def attend(q, k, v, mask):\n"
TAIL = "    return scores.masked_fill(mask, -1e9).softmax(dim=-1) @ v\n"

OPERATOR = Operator(
    id="scale-missing",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/mlc-ai/mlc-llm/pull/3426",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="All goes well in a narrow model; in a wide one attention soon fixes on single tokens.",
        area="Compare one layer of attention with the formula, on inputs that are not small.",
        mechanism="Ask how the spread of a product of two random vectors depends on how many numbers they hold.",
    ),
    examples=(
        Example(
            HEAD
            + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (T, T)\n"
            + TAIL
            + "\n\nx = math.pi\n",
            HEAD + "    scores = q @ k.transpose(-2, -1)  # (T, T)\n" + TAIL + "\n\nx = math.pi\n",
        ),
        Example(
            HEAD + "    scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\n" + TAIL,
            HEAD + "    scores = q @ k.transpose(-2, -1)\n" + TAIL,
        ),
        Example(
            HEAD
            + "    scores = torch.matmul(q, k.transpose(2, 3))\n    scores = scores * k.shape[-1] ** -0.5\n"
            + TAIL,
            HEAD + "    scores = torch.matmul(q, k.transpose(2, 3))\n" + TAIL,
        ),
        Example(
            HEAD + "    q = q / q.size(-1) ** 0.5\n    scores = q @ k.mT\n" + TAIL,
            HEAD + "    scores = q @ k.mT\n" + TAIL,
        ),
        Example(
            HEAD + "    scores = q @ k.mT\n    scores /= math.sqrt(k.size(-1))\n" + TAIL,
            HEAD + "    scores = q @ k.mT\n" + TAIL,
        ),
    ),
    look_alikes=(
        "import math\n\n\n" + HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))\n" + TAIL,
        HEAD + "    width = q.size(-1)\n    scores = q @ k.transpose(-2, -1) / math.sqrt(width)\n" + TAIL,
        "def rms(x):\n    return x / math.sqrt(x.size(-1))\n",
        HEAD + "    scores = q @ k.transpose(-2, -1) / temperature\n" + TAIL,
    ),
    edits=edits,
)
