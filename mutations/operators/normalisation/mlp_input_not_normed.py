"""The second half of the block reads the residual stream as it is.

## What it does
Leaves out the norm between the stream and the MLP.

## Why it is wrong
The stream grows with every addition, and at the start it is very small. Without its norm the MLP gets vectors of any
size: too small to do anything at first, too large deep down. The norm is still listed, saved and loaded.

## Symptom
It trains, only slower at first. The norm keeps gains of one and biases of zero, as it gets no gradient. Trained
weights from elsewhere give other logits.

## How to find it
Double the gain of each norm in turn, and see whether the output of the block changes. Or list the parameters that
have no gradient after a backward pass.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.residual import blocks, norm_calls, residual_sums
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The last residual sum of a method that norms twice."""
    sums = residual_sums(source)
    for index, found in enumerate(sums):
        method = source.scope(found.node)
        is_last = index + 1 == len(sums) or source.scope(sums[index + 1].node) is not method
        if found.norm is None or not is_last:
            continue
        normed = [call for block in blocks(source) for call in norm_calls(source, block, within=method)]
        if len(normed) == 2 and normed[1] is found.norm:
            yield source.replace(found.norm, source.code(found.stream))


OPERATOR = Operator(
    id="mlp-input-not-normed",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/agentdr1/LA_MIL/issues/3",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training is slow to start, and some parameters never change.",
        area="Look at the size of what each half of a block reads, at the first block and at the last.",
        mechanism="Everything that a constructor makes is for someone to use. Tick off what a forward pass uses.",
    ),
    examples=(
        Example(
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(self.ln_2(x))\n",
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(x)\n",
        ),
        Example(
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = x + y\n"
            "        return x + self.mlp(self.ln_2(x)), kept\n",
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = x + y\n"
            "        return x + self.mlp(x), kept\n",
        ),
        Example(
            BLOCK + "        x += self.attn(self.ln_1(x), mask)\n        x += self.drop(self.mlp(self.ln_2(x)))\n",
            BLOCK + "        x += self.attn(self.ln_1(x), mask)\n        x += self.drop(self.mlp(x))\n",
        ),
    ),
    look_alikes=(
        BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(x)\n",
        BLOCK + "        return x + self.mlp(self.ln_2(x))\n",
        "class MLP(nn.Module):\n    def __init__(self, C):\n        self.ln = nn.LayerNorm(C)\n\n"
        "    def forward(self, x):\n        return x + self.proj(self.ln(x))\n",
    ),
    edits=edits,
)
