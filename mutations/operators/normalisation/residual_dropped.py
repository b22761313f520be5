"""A half of the block replaces the residual stream instead of adding to it.

## What it does
Keeps the branch and leaves out the stream that it should be added to.

## Why it is wrong
The sum is what lets a block leave alone what it does not improve. Without it, all that came before has to pass
through this branch, tokens and positions included, and so has every gradient on its way back.

## Symptom
It trains, slowly, from a loss that moves little at first: the branch starts with small weights, and what it returns
is close to nothing. The deeper the model, the worse.

## How to find it
Set the last matrix of the branch, and its bias, to zero. The block must return what it was given, not zeros.
"""

import re
from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.residual import ResidualSum, residual_sums, without_kept
from mutations.source import Source

SAYS_SO = re.compile(r"\s*#.*(residual|shortcut|skip)", re.IGNORECASE)


def edits(source: Source) -> Iterator[Edit]:
    """Every residual sum; a line of which nothing but `x = x` is left goes, and so does one that kept the stream."""
    for found in residual_sums(source):
        branch = source.code(found.branch)
        if isinstance(found.node, cst.AugAssign):
            change = source.replace(found.node, f"{source.code(found.stream)} = {branch}")
        elif _is_assigned_to_itself(source, found):
            change = source.remove(found.line)
        else:
            change = source.replace(found.node, branch)
        if source.span(found.line)[0] <= change.start:
            change = _without_comment(source, found, change)
        edit = without_kept(source, found, change)
        if edit is not None:
            yield edit


def _is_assigned_to_itself(source: Source, found: ResidualSum) -> bool:
    around = source.parent(found.node)
    return isinstance(around, cst.Assign) and around.targets[0].target.deep_equals(found.branch)


def _without_comment(source: Source, found: ResidualSum, change: Edit) -> Edit:
    """A change of a sum that takes a comment right above along, if that calls it one."""
    line = source.line_start(source.span(found.line)[0])
    start = source.line_start(line - 1) if line else line
    if not SAYS_SO.match(source.code_between(start, line)):
        return change
    return source.replace_span(start, change.end, source.code_between(line, change.start) + change.after)


OPERATOR = Operator(
    id="residual-dropped",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/znxlwm/UGATIT-pytorch/issues/32",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training starts slowly, and each further layer makes it worse instead of better.",
        area="Let every branch return zeros, and see what is left of a token after one block.",
        mechanism="A block should be able to do nothing. Find what it cannot help replacing.",
    ),
    examples=(
        Example(
            BLOCK + "        return x + self.mlp(self.ln_2(x))\n",
            BLOCK + "        return self.mlp(self.ln_2(x))\n",
        ),
        Example(
            BLOCK + "        x = x + self.drop(self.attn(self.ln_1(x), mask))  # (B, T, C)\n        return x\n",
            BLOCK + "        x = self.drop(self.attn(self.ln_1(x), mask))  # (B, T, C)\n        return x\n",
        ),
        Example(
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = x + y\n        return x, kept\n",
            BLOCK + "        y, kept = self.attn.step(self.ln_1(x))\n        x = y\n        return x, kept\n",
        ),
        Example(
            BLOCK + "        # attention\n        skip = x\n        x = self.attn(self.ln_1(x), mask)\n"
            "        x = skip + x  # (B, T, C)\n\n        return self.out(x)\n",
            BLOCK + "        x = self.attn(self.ln_1(x), mask)\n\n        return self.out(x)\n",
        ),
        Example(
            BLOCK + "        skip = x\n        y = self.attn(self.ln_1(x))\n        # residual connection\n"
            "        x = y + skip\n        return x\n",
            BLOCK + "        y = self.attn(self.ln_1(x))\n        x = y\n        return x\n",
        ),
        Example(
            BLOCK + "        x += self.attn(self.ln_1(x), mask)\n        return x\n",
            BLOCK + "        x = self.attn(self.ln_1(x), mask)\n        return x\n",
        ),
    ),
    look_alikes=(
        BLOCK + "        return self.mlp(self.ln_2(x))\n",
        BLOCK + "        return self.attn(x + 1, mask)\n",
        BLOCK + "        scores = self.attn(self.ln_1(x))\n        scores = scores + mask\n        return scores\n",
        "class GPT(nn.Module):\n    def __init__(self, C):\n        self.ln_f = nn.LayerNorm(C)\n\n"
        "    def forward(self, x):\n        return x + self.pos(x)\n",
    ),
    edits=edits,
)
