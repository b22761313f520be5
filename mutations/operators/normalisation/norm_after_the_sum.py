"""The norm stands after the sum, where it should stand before the branch.

## What it does
Lets the branch read the stream itself, and norms the sum of the two.

## Why it is wrong
The first transformer was built this way, GPT-2 and its descendants are not: there the stream is never normed, only
what each branch reads. The two designs are trained differently, and weights of one mean nothing to the other.

## Symptom
It trains at this size. A deep model needs a long warm-up or diverges. Trained weights from elsewhere give other
logits.

## How to find it
Set the last matrix of each branch, and its bias, to zero: the block must then return exactly what it was given. Or
look at the size of the stream, which must be free to grow from block to block.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.residual import residual_sums, without_norm
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Sums of the stream and a branch that norms it."""
    for found in residual_sums(source):
        if found.norm is None:
            continue
        norm, branch = source.code(found.norm.func), without_norm(source, found.branch, found.norm)
        stream = source.code(found.stream)
        if isinstance(found.node, cst.AugAssign):
            yield source.replace(found.node, f"{stream} = {norm}({stream} + {branch})")
        else:
            yield source.replace(found.node, f"{norm}({stream} + {branch})")


OPERATOR = Operator(
    id="norm-after-the-sum",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/karpathy/minGPT/issues/33",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="A few layers train well, many layers need a long warm-up, and trained weights give other logits.",
        area="Measure how large the vectors are that one block hands to the next.",
        mechanism="There are two places in a block where a norm may stand. Look up which of them GPT-2 chose.",
    ),
    examples=(
        Example(
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x\n",
            BLOCK + "        x = self.ln_1(x + self.attn(x, mask))\n        return x\n",
        ),
        Example(
            BLOCK + "        return x + self.mlp(self.ln_2(x)), kept  # (B, T, C)\n",
            BLOCK + "        return self.ln_2(x + self.mlp(x)), kept  # (B, T, C)\n",
        ),
        Example(
            BLOCK + "        x += self.drop(self.mlp(self.ln_2(x)))\n        return x\n",
            BLOCK + "        x = self.ln_2(x + self.drop(self.mlp(x)))\n        return x\n",
        ),
    ),
    look_alikes=(
        BLOCK + "        x = self.ln_1(x + self.attn(x, mask))\n        return x\n",
        BLOCK + "        return x + self.mlp(x)\n",
        "x = x + self.mlp(self.ln_2(x))\n",
    ),
    edits=edits,
)
