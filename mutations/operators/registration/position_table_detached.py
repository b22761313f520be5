"""What is looked up in the table of positions is detached, so the table never learns.

## What it does
Cuts the looked-up rows out of the graph that gradients flow through.

## Why it is wrong
The positions are meant to be learned. Detached, they are read like constants: every position keeps the small random
vector that it was given first, and the rest of the model has to make do with it.

## Symptom
The forward pass is right to the last bit, and so are the gradients of everything else. The model trains, a little
worse. The table has no gradient at all after a backward pass.

## How to find it
After one backward pass, list the parameters without a gradient. Or compare the table before and after an update.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import calls, position_embeddings
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Lookups in a table of positions, where nothing is called on what they return."""
    for table in position_embeddings(source):
        for lookup in calls(source, {table.name}, within=table.owner):
            if not isinstance(source.parent(lookup), cst.Attribute):
                yield source.replace(lookup, f"{source.code(lookup)}.detach()")


INIT = """\
class Embed(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, t, p):
"""

OPERATOR = Operator(
    id="position-table-detached",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/d2l-ai/d2l-en/pull/2121",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The logits are right and the model trains, only a little worse than it could.",
        area="After an update, look for parameters that still hold their initial values.",
        mechanism="Follow the gradient back from the loss to the first sum in the model, and on to both its terms.",
    ),
    examples=(
        Example(
            INIT + "        x = self.tok(t)\n        return x + self.pos(p)  # (T, C)\n",
            INIT + "        x = self.tok(t)\n        return x + self.pos(p).detach()  # (T, C)\n",
        ),
        Example(
            INIT + "        pos_emb = self.pos(p)\n        return self.tok(t) + pos_emb\n",
            INIT + "        pos_emb = self.pos(p).detach()\n        return self.tok(t) + pos_emb\n",
        ),
        Example(
            "class GPT(nn.Module):\n    def __init__(self, C, n):\n"
            "        self.t = nn.ModuleDict({'wpe': nn.Embedding(n, C)})\n\n"
            "    def forward(self, p):\n        return self.t.wpe(p)\n",
            "class GPT(nn.Module):\n    def __init__(self, C, n):\n"
            "        self.t = nn.ModuleDict({'wpe': nn.Embedding(n, C)})\n\n"
            "    def forward(self, p):\n        return self.t.wpe(p).detach()\n",
        ),
    ),
    look_alikes=(
        INIT + "        return self.tok(t)\n",
        INIT + "        return self.tok(t) + self.pos(p).detach()\n",
        "x = x + self.pos(p)\n",
    ),
    edits=edits,
)
