"""The table of positions has a row for one position more than there are.

## What it does
Adds one to the number of rows that the position embedding is made with.

## Why it is wrong
Positions are counted from zero, so the longest sequence needs exactly as many rows as it has tokens. The row beyond
them is never read and never trained, but it is saved, loaded and counted like the others.

## Symptom
Nothing at all while one model is trained and used by itself. A checkpoint of the right model does not load, because
one shape differs, and with the same seed every weight drawn after the table is another.

## How to find it
Compare the shape of each parameter with what the contract says. Or train, and look for a row that no gradient ever
reached, whatever the length of the sequences.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.layers import position_embeddings
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Position embeddings whose number of rows is a name or an attribute."""
    for layer in position_embeddings(source):
        rows = argument(layer.call, 0, "num_embeddings")
        if rows is not None and isinstance(rows.value, cst.Name | cst.Attribute):
            yield source.replace_within(layer.call, rows.value, f"{source.code(rows.value)} + 1")


HEAD = "class GPT(nn.Module):\n    def __init__(self, config):\n"

OPERATOR = Operator(
    id="position-table-one-row-more",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/delphi-suite/delphi/pull/64",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training and generation are right, yet a checkpoint from elsewhere is refused.",
        area="Look at the shapes of what the model learns before its blocks begin.",
        mechanism="Count the places that a token can stand at, starting from zero, in the longest sequence allowed.",
    ),
    examples=(
        Example(
            HEAD + "        self.pos = nn.Embedding(config.block_size, config.n_embd)\n",
            HEAD + "        self.pos = nn.Embedding(config.block_size + 1, config.n_embd)\n",
        ),
        Example(
            HEAD + "        self.tok = nn.Embedding(vocab_size, C)\n"
            "        self.pos = Embedding(embedding_dim=C, num_embeddings=n)  # learned\n",
            HEAD + "        self.tok = nn.Embedding(vocab_size, C)\n"
            "        self.pos = Embedding(embedding_dim=C, num_embeddings=n + 1)  # learned\n",
        ),
        Example(
            HEAD + "        self.t = nn.ModuleDict(dict(\n"
            "            wte = nn.Embedding(config.vocab_size, config.n_embd),\n"
            "            wpe = nn.Embedding(config.block_size, config.n_embd),\n"
            "        ))\n",
            HEAD + "        self.t = nn.ModuleDict(dict(\n"
            "            wte = nn.Embedding(config.vocab_size, config.n_embd),\n"
            "            wpe = nn.Embedding(config.block_size + 1, config.n_embd),\n"
            "        ))\n",
        ),
    ),
    look_alikes=(
        HEAD + "        self.tok = nn.Embedding(config.vocab_size, C)\n",
        HEAD + "        self.pos = nn.Embedding(config.block_size + config.n_prefix, C)\n",
        "table = nn.Embedding(block_size, C)\n",
    ),
    edits=edits,
)
