"""The map to the vocabulary has a bias that the model is not meant to have.

## What it does
Leaves out the argument that says that the head has none: a linear layer has one by default.

## Why it is wrong
The head compares a vector with one row for each token, and nothing else. A bias gives each token a score of its own,
whatever the context. It is also a parameter that no checkpoint of the right model holds.

## Symptom
Training goes on as before, even a little faster, as the bias learns how frequent each token is. A checkpoint of the
right model does not load, and with the same seed every weight drawn after the head is another.

## How to find it
Print the names and shapes of all parameters. Or feed the head a vector of zeros: its scores must be exactly zero,
also after training.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.comments import replace_uncommented
from mutations.roles.layers import head
from mutations.roles.owners import is_torchs
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The head, where it is made without a bias."""
    layer = head(source)
    if layer is None or not is_torchs(source, layer.call):
        return
    bias = argument(layer.call, 2, "bias")
    if bias is not None and m.matches(bias.value, m.Name("False")):
        kept = ", ".join(source.code(arg) for arg in layer.call.args if arg is not bias)
        yield replace_uncommented(source, layer.call, f"{source.code(layer.call.func)}({kept})")


OPERATOR = Operator(
    id="head-with-bias",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/OpenNMT/OpenNMT-py/pull/1903",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains as well as ever, but weights that were saved from a right model do not load.",
        area="List the parameters of the model by name and compare them with what the contract names.",
        mechanism="A vector of zeros should have the same score for every token. What could prefer one of them?",
    ),
    examples=(
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        C, V = config.width, config.vocab_size\n"
            "        self.head = nn.Linear(C, V, bias=False)\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        C, V = config.width, config.vocab_size\n"
            "        self.head = nn.Linear(C, V)\n",
        ),
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.out = Linear(config.n_embd, config.vocab_size, False)  # no bias\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.out = Linear(config.n_embd, config.vocab_size)\n",
        ),
        Example(
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.transformer = nn.ModuleDict(dict(\n"
            "            unembed=nn.Linear(config.n_embd, out_features=config.vocab_size, bias=False),\n"
            "        ))\n",
            "class GPT(nn.Module):\n"
            "    def __init__(self, config):\n"
            "        self.transformer = nn.ModuleDict(dict(\n"
            "            unembed=nn.Linear(config.n_embd, out_features=config.vocab_size),\n"
            "        ))\n",
        ),
    ),
    look_alikes=(
        "class Attention(nn.Module):\n    def __init__(self, C):\n        self.query = nn.Linear(C, C, bias=False)\n",
        "class GPT(nn.Module):\n"
        "    def __init__(self, config):\n"
        "        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=config.bias)\n",
    ),
    edits=edits,
)
