"""The second half of the block is normed by the first half's norm.

## What it does
Calls the block's first norm where its second should be called.

## Why it is wrong
Both norms do the same arithmetic, but each has a gain and a bias that it learned for its own reader. The second norm
is still listed, saved and loaded, and never used.

## Symptom
With fresh weights nothing differs, since all gains are one and all biases zero. After training, or with a checkpoint
from elsewhere, the MLP reads vectors that are scaled for attention. The second norm gets no gradient.

## How to find it
Give every parameter a value of its own before comparing anything: what starts out equal hides a mix-up. Or list the
parameters that have no gradient after a backward pass.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.examples import BLOCK
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.residual import blocks, norm_calls, residual_sums
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Methods of a block that norm the stream twice, by two norms: the second call."""
    readers = [found.reader for found in residual_sums(source)]
    for block in blocks(source):
        for method in source.find(m.FunctionDef(), within=block):
            normed = norm_calls(source, block, within=method)
            if len(normed) == 2 and all(call in readers for call in normed):
                first, second = (cst.ensure_type(call.func, cst.Attribute).attr for call in normed)
                if not first.deep_equals(second):
                    yield source.replace_within(normed[1], second, first.value)


OPERATOR = Operator(
    id="first-norm-used-twice",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/ml-explore/mlx/issues/1636",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With fresh weights it behaves like a right model; with trained ones it does not.",
        area="After a backward pass, look for parameters of a block that have no gradient.",
        mechanism="Everything that a constructor makes is for someone to use. Tick off what each half of a block uses.",
    ),
    examples=(
        Example(
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(self.ln_2(x))\n",
            BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(self.ln_1(x))\n",
        ),
        Example(
            BLOCK + "        h = self.ln_1(x)\n        x = x + self.attn(h, mask)\n"
            "        h = self.ln_2(x)  # (B, T, C)\n        return x + self.mlp(h)\n",
            BLOCK + "        h = self.ln_1(x)\n        x = x + self.attn(h, mask)\n"
            "        h = self.ln_1(x)  # (B, T, C)\n        return x + self.mlp(h)\n",
        ),
    ),
    look_alikes=(
        "class Attention(nn.Module):\n    def __init__(self, C):\n        self.q_norm = nn.RMSNorm(C)\n"
        "        self.k_norm = nn.RMSNorm(C)\n\n    def forward(self, q, k):\n"
        "        q = self.q_norm(q)\n        k = self.k_norm(k)\n        return q @ k.mT\n",
        BLOCK + "        return x + self.mlp(self.ln_2(x))\n",
        BLOCK + "        x = x + self.attn(self.ln_1(x), mask)\n        return x + self.mlp(self.ln_1(x))\n",
        "def forward(self, x):\n    return self.ln_2(self.ln_1(x))\n",
    ),
    edits=edits,
)
