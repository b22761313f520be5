"""The branch is added to itself, and the stream is lost.

## What it does
Gives the name of the stream to what the branch returns, one line before the sum: the sum is then twice the branch.

## Why it is wrong
A residual sum needs what the block was given. Once its name stands for something else there is no way back to it,
and adding is only a detour to multiplying by two.

## Symptom
There is a plus sign where one looks for it, and it trains. A shallow model hardly suffers; in a deep one the tokens
have to pass through every branch, and so has every gradient.

## How to find it
Set the last matrix of the branch, and its bias, to zero. The block must return what it was given, not zeros.
"""

from collections.abc import Iterator
from functools import partial

import libcst as cst

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.roles.residual import indent, residual_sums, without_kept
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Every residual sum; a branch that has a name already takes the place of the stream."""
    for found in residual_sums(source):
        branch, stream = source.code(found.branch), source.code(found.stream)
        if isinstance(found.node, cst.BinaryOperation) and isinstance(found.branch, cst.Name):
            doubled = source.replace_within(found.node, found.stream, branch).after
            # Of a stream that was kept, a comment says that it is added back.
            replaced = source.replace if found.kept is None else partial(replace_uncommented, source)
            change = replaced(found.node, doubled)
            edit = without_kept(source, found, change)
            if edit is not None:
                yield edit
            continue
        (start, end), (branch_start, branch_end) = source.span(found.line), source.span(found.branch)
        summed = source.code_between(start, branch_start) + stream + source.code_between(branch_end, end)
        yield source.replace(found.line, f"{stream} = {branch}\n{indent(source, found.line)}{summed}")


OPERATOR = Operator(
    id="residual-doubled",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/kyegomez/BitNet/issues/32",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="A shallow model trains well enough, and each further layer helps less than it should.",
        area="Let every branch return zeros, and see what is left of a token after one block.",
        mechanism="Take both terms of each sum in a block, and write down where their values come from.",
    ),
    examples=(
        Example(
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x\n",
            BLOCK + "        x = self.attn(self.ln_1(x), mask)\n        x = x + x\n        return x\n",
        ),
        Example(
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = x + y\n        return x, kept\n",
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = y + y\n        return x, kept\n",
        ),
        Example(
            BLOCK + "        return x + self.mlp(self.ln_2(x)), kept  # (B, T, C)\n",
            BLOCK + "        x = self.mlp(self.ln_2(x))\n        return x + x, kept  # (B, T, C)\n",
        ),
        Example(
            BLOCK + "        skip = x\n        x = self.attn(self.ln_1(x), mask)\n"
            "        x = x + skip  # back again\n        return x\n",
            BLOCK + "        x = self.attn(self.ln_1(x), mask)\n        x = x + x\n        return x\n",
        ),
        Example(
            BLOCK + "        x += self.mlp(self.ln_2(x))\n        return x\n",
            BLOCK + "        x = self.mlp(self.ln_2(x))\n        x += x\n        return x\n",
        ),
    ),
    look_alikes=(
        BLOCK + "        x = self.attn(self.ln_1(x), mask)\n        return x\n",
        BLOCK + "        x = torch.cat((x, self.mlp(x)))\n        return x\n",
        "def residual(x, f):\n    return x + f(x)\n",
    ),
    edits=edits,
)
