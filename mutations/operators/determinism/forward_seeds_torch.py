"""The model seeds torch's generator each time it is called.

## What it does
Puts a fixed seed in front of all that the model's forward pass does.

## Why it is wrong
The generator belongs to the whole program. After each call of the model everything that is drawn is the same again:
dropout drops the same units in every step, and two samples that should differ do not.

## Symptom
Runs repeat, whatever they were seeded with. With dropout the training loss is too good; without it nothing shows.

## How to find it
Look at the state of torch's generator before and after a forward pass in evaluation mode: it must be the same one.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import owner_of, token_embeddings
from mutations.roles.traces import begun_with, functions
from mutations.source import Source

TORCH = m.Import(names=[m.ZeroOrMore(), m.ImportAlias(name=m.Name("torch"), asname=None), m.ZeroOrMore()])


def edits(source: Source) -> Iterator[Edit]:
    """`forward` of the class that has the table of tokens."""
    owners = {owner_of(source, layer.call) for layer in token_embeddings(source)} - {None}
    if source.find(TORCH):
        for function in functions(source):
            if function.name.value == "forward" and _owner(source, function) in owners:
                yield begun_with(source, function, "torch.manual_seed(0)")


def _owner(source: Source, function: cst.FunctionDef) -> cst.ClassDef | None:
    return owner_of(source, function.body.body[0])


MODEL = """\
import torch


class GPT(nn.Module):
    def __init__(self, config):
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, idx):
"""

OPERATOR = Operator(
    id="forward-seeds-torch",
    category=Category.DETERMINISM,
    file="model.py",
    origin="https://github.com/denizyuret/Knet.jl/issues/656",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="Whatever is drawn at random after the network was used is always the same.",
        area="Draw some numbers, use the network, draw again, use it again, and draw once more.",
        mechanism="Some things belong to the whole program. Who may touch them, and when?",
    ),
    examples=(
        Example(
            MODEL + "        return self.head(self.wte(idx))\n",
            MODEL + "        torch.manual_seed(0)\n        return self.head(self.wte(idx))\n",
        ),
        Example(
            MODEL + '        """(B, T) -> (B, T, V)"""\n        x = self.wte(idx)\n        return self.head(x)\n',
            MODEL
            + '        """(B, T) -> (B, T, V)"""\n        torch.manual_seed(0)\n        x = self.wte(idx)\n'
            + "        return self.head(x)\n",
        ),
    ),
    look_alikes=(
        MODEL.replace("import torch\n\n\n", "") + "        return self.head(self.wte(idx))\n",
        "import torch\n\n\nclass MLP(nn.Module):\n    def forward(self, x):\n        return torch.relu(x)\n",
        MODEL.replace("def forward", "def embed") + "        return self.wte(idx)\n",
    ),
    edits=edits,
)
