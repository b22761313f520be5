"""Token 0 is declared to be padding, and its row of the embedding never learns.

## What it does
Tells the token embedding that index 0 is for padding.

## Why it is wrong
Nothing is padded here: 0 is a token like any other. What PyTorch does with a padding index is to leave out its
gradient, so that the row stays as it was initialised, for ever.

## Symptom
The forward pass is right to the last bit. The model trains, but what it says after token 0 stays a little worse than
after any other token. The more tokens there are, the less it shows.

## How to find it
Run a batch that holds every token, and look at the gradient of the embedding row by row: none may be exactly zero.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import shares_weight, token_embeddings
from mutations.roles.owners import takes
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Token embeddings that are given their two sizes and nothing else, and share their weight with no other layer."""
    for table in token_embeddings(source):
        if shares_weight(source, table.name) or not takes(source, table.call, "padding_idx"):
            continue
        if len(table.call.args) == 2 and not any(arg.star for arg in table.call.args):
            last = table.call.args[1]
            yield source.replace_within(table.call, last, f"{source.code(last)}, padding_idx=0")


HEAD = "class GPT(nn.Module):\n    def __init__(self, config):\n"

OPERATOR = Operator(
    id="token-zero-taken-for-padding",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/ibalazevic/TuckER/issues/17",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="One token of the vocabulary is never understood as well as the others.",
        area="Look at gradients, not parameter by parameter but row by row.",
        mechanism="A table may have an entry that stands for nothing. Is there such an entry here?",
    ),
    examples=(
        Example(
            HEAD + "        C, V = config.width, config.vocab_size\n        self.tok = nn.Embedding(V, C)\n",
            HEAD
            + "        C, V = config.width, config.vocab_size\n        self.tok = nn.Embedding(V, C, padding_idx=0)\n",
        ),
        Example(
            HEAD + "        self.wte = Embedding(config.vocab_size, embedding_dim=config.n_embd)  # tokens\n",
            HEAD + "        self.wte = Embedding(config.vocab_size, embedding_dim=config.n_embd, padding_idx=0)"
            "  # tokens\n",
        ),
        Example(
            HEAD
            + "        self.t = nn.ModuleDict(dict(\n            wte = nn.Embedding(vocab_size, n_embd),\n        ))\n",
            HEAD + "        self.t = nn.ModuleDict(dict(\n"
            "            wte = nn.Embedding(vocab_size, n_embd, padding_idx=0),\n        ))\n",
        ),
    ),
    look_alikes=(
        HEAD + "        self.pos = nn.Embedding(config.block_size, C)\n",
        HEAD + "        self.tok = nn.Embedding(config.vocab_size, C, padding_idx=config.pad)\n",
    ),
    edits=edits,
)
