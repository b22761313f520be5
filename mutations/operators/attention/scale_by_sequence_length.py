"""The scores of attention are scaled by the root of the number of tokens instead of the width.

## What it does
Asks the queries or the keys for their last axis but one: time, where the width was meant.

## Why it is wrong
The spread of a score comes from how many products it sums, which is the width. With the number of tokens in its
place the same two tokens score differently in a long text and in a short one.

## Symptom
The model trains at one length, and is off at every other. A forward pass over more tokens changes the logits of those
that were there before.

## How to find it
Run a sequence and then its beginning alone: the logits of the beginning must be the same. Compare incremental
decoding, where there is one new token at a time, with the forward pass.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import scales
from mutations.roles.reads import reads
from mutations.roles.sizes import resolve
from mutations.source import Source

LAST = m.UnaryOperation(operator=m.Minus(), expression=m.Integer(value="1"))
METHOD = m.Call(func=m.Attribute(attr=m.Name("size")), args=[m.Arg(LAST)])
SHAPE = m.Subscript(value=m.Attribute(attr=m.Name("shape")), slice=[m.SubscriptElement(m.Index(LAST))])


def edits(source: Source) -> Iterator[Edit]:
    """The size under the root of the scale, if it is that of a last axis and serves nothing else."""
    for scale in scales(source):
        size = resolve(source, scale.size)
        if size is not scale.size and len(reads(source, scale.size, source.scope(scale.size))) > 1:
            continue
        if m.matches(size, METHOD | SHAPE):
            axis = source.find(LAST, within=size)[-1]  # the width may be that of a part: `x[-1].size(-1)`
            yield source.replace_within(size, axis, "-2")


HEAD = "def attend(q, k, v, mask):\n"
TAIL = "    return scores.masked_fill(mask, -1e9).softmax(dim=-1) @ v\n"

OPERATOR = Operator(
    id="scale-by-sequence-length",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/Graylab/DL4Proteins-notebooks/issues/12",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The logits of the same tokens change when the text goes on after them.",
        area="Compare the scores of one pair of tokens in a short sequence and in a long one.",
        mechanism="Write down the shape of the queries, and which of its numbers the scores depend on.",
    ),
    examples=(
        Example(
            HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (T, T)\n" + TAIL,
            HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-2))  # (T, T)\n" + TAIL,
        ),
        Example(
            HEAD + "    scores = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5\n" + TAIL,
            HEAD + "    scores = q @ k.transpose(-2, -1) * k.shape[-2] ** -0.5\n" + TAIL,
        ),
        Example(
            HEAD + "    d_k = q.size(-1)\n    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(d_k)\n" + TAIL,
            HEAD + "    d_k = q.size(-2)\n    scores = torch.matmul(q, k.transpose(-2, -1)) / math.sqrt(d_k)\n" + TAIL,
        ),
    ),
    look_alikes=(
        HEAD + "    d = q.size(-1)\n    q = q.view(-1, d)\n    scores = q @ k.mT / math.sqrt(d)\n" + TAIL,
        HEAD + "    scores = q @ k.transpose(-2, -1) / math.sqrt(width)\n" + TAIL,
        "def rms(x):\n    return x / math.sqrt(x.size(-1))\n",
    ),
    edits=edits,
)
