"""The residual stream is normed itself, and not a copy of it.

## What it does
Assigns the normed vectors to the stream before the branch is added, so that they are what the branch is added to.

## Why it is wrong
What a block adds to must be what it was given. The stream is the road on which each block's additions, and the
gradients, travel from one end of the model to the other unchanged; a norm on it rescales everything that came before,
in every block anew.

## Symptom
It trains, and well enough in a shallow model. The deeper the model, the more it stays behind. Trained weights from
elsewhere give other logits.

## How to find it
Set the last matrix of each branch, and its bias, to zero. A block must then return exactly what it was given.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.residual import indent, residual_sums, without_norm
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Sums of the stream and a branch that norms it."""
    for found in residual_sums(source):
        if found.norm is not None:
            (start, end), (branch_start, branch_end) = source.span(found.line), source.span(found.branch)
            normed = f"{source.code(found.stream)} = {source.code(found.norm)}"
            before, after = source.code_between(start, branch_start), source.code_between(branch_end, end)
            summed = before + without_norm(source, found.branch, found.norm) + after
            yield source.replace(found.line, f"{normed}\n{indent(source, found.line)}{summed}")


OPERATOR = Operator(
    id="stream-normed-before-the-sum",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/Howuhh/faster-trajectory-transformer/issues/3",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="A shallow model trains well, a deep one stays behind, and trained weights give other logits.",
        area="Let a block compute with branches that return nothing but zeros, and look at what it gives back.",
        mechanism="There should be two versions of the vectors in a block: one that is read, one that is added to.",
    ),
    examples=(
        Example(
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x\n",
            BLOCK + "        x = self.ln_1(x)\n        x = x + self.attn(x, mask)\n        return x\n",
        ),
        Example(
            BLOCK + "        return x + self.mlp(self.ln_2(x))  # (B, T, C)\n",
            BLOCK + "        x = self.ln_2(x)\n        return x + self.mlp(x)  # (B, T, C)\n",
        ),
        Example(
            BLOCK + "        x += self.mlp(self.ln_2(x))\n        return x\n",
            BLOCK + "        x = self.ln_2(x)\n        x += self.mlp(x)\n        return x\n",
        ),
        Example(
            BLOCK + "        x = self.drop(self.mlp(self.ln_2(x))) + x\n        return x\n",
            BLOCK + "        x = self.ln_2(x)\n        x = self.drop(self.mlp(x)) + x\n        return x\n",
        ),
    ),
    look_alikes=(
        BLOCK + "        h = self.ln_1(x)\n        x = x + self.attn(h, mask)\n        return x\n",
        BLOCK + "        x = self.ln_1(x + self.attn(x, mask))\n        return x\n",
        "x = x + self.attn(self.ln_1(x), mask)\n",
    ),
    edits=edits,
)
