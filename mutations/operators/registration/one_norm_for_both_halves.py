"""The two halves of a block share one norm.

## What it does
Assigns the norm that the block already has to its second name, instead of making another.

## Why it is wrong
Attention and MLP each have a gain and a bias for what they read, and learn them apart. Shared, one pair of vectors
must serve both, and gradients from both halves add up in it.

## Symptom
At first nothing: every norm starts with gains of one and biases of zero. With trained weights the second half of each
block reads a stream that is scaled for the first. The parameters that the model lists are two short for each block.

## How to find it
List the parameters and compare them with the contract's. Or set the two gains to different values, and see whether
they stay different.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import norms, owner_of
from mutations.roles.residual import blocks, residual_sums
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The second of two norms that a block makes alike and keeps right on self."""
    for block in blocks(source):
        made = [layer for layer in norms(source) if layer.owner is block]
        kept = [
            layer
            for layer in made
            if m.matches(source.parent(layer.call), m.Assign(targets=[m.AssignTarget(m.Attribute(m.Name("self")))]))
        ]
        halves = _names_of_halves(source, block)
        kept = kept if halves is None else [layer for layer in kept if layer.name in halves]
        if len(kept) >= 2 and kept[0].call.deep_equals(kept[1].call):
            first = cst.ensure_type(source.parent(kept[0].call), cst.Assign).targets[0].target
            yield source.replace(kept[1].call, source.code(first))


def _names_of_halves(source: Source, block: cst.ClassDef) -> set[str] | None:
    """The norms that read the stream for a branch; None where no more than the constructor is shown."""
    methods = [cst.ensure_type(node, cst.FunctionDef).name.value for node in source.find(m.FunctionDef(), within=block)]
    if methods == ["__init__"]:
        return None
    readers = [found.reader for found in residual_sums(source) if owner_of(source, found.node) is block]
    return {cst.ensure_type(reader.func, cst.Attribute).attr.value for reader in readers}


HEAD = "class Block(nn.Module):\n    def __init__(self, C):\n"

OPERATOR = Operator(
    id="one-norm-for-both-halves",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/allenai/OLMo/issues/222",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="From scratch hardly anything is amiss; a checkpoint from elsewhere makes it worse than it should be.",
        area="List the parameters of a block and count those that are vectors.",
        mechanism="Two names in a block may stand for a single thing that learns.",
    ),
    examples=(
        Example(
            HEAD + "        self.ln_1 = nn.LayerNorm(C)\n        self.attn = Attention(C)\n"
            "        self.ln_2 = nn.LayerNorm(C)\n        self.mlp = MLP(C)\n",
            HEAD + "        self.ln_1 = nn.LayerNorm(C)\n        self.attn = Attention(C)\n"
            "        self.ln_2 = self.ln_1\n        self.mlp = MLP(C)\n",
        ),
        Example(
            HEAD + "        self.before_attn = RMSNorm(C, eps=1e-6)\n        self.before_mlp = RMSNorm(C, eps=1e-6)\n",
            HEAD + "        self.before_attn = RMSNorm(C, eps=1e-6)\n        self.before_mlp = self.before_attn\n",
        ),
    ),
    look_alikes=(
        HEAD + "        self.ln_1 = nn.LayerNorm(C)\n        self.attn = Attention(C)\n",
        HEAD + "        self.norm = nn.LayerNorm(C)\n        self.mlp_norm = nn.LayerNorm(4 * C)\n",
        "class GPT(nn.Module):\n    def __init__(self, C, vocab_size):\n"
        "        self.tok = nn.Embedding(vocab_size, C)\n"
        "        self.ln_in = nn.LayerNorm(C)\n        self.ln_f = nn.LayerNorm(C)\n",
    ),
    edits=edits,
)
