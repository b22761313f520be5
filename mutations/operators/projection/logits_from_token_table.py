"""The logits are computed with the table that the tokens come in by, and not with the head.

## What it does
Multiplies the last vectors with the token embedding instead of calling the head. The two matrices have one row for
each token, so the shapes agree.

## Why it is wrong
Models that tie the two matrices may use either. This one does not tie them: the head has weights of its own, and
they are the ones that were trained to score tokens.

## Symptom
The model trains nearly as well, because the table learns to do both. Weights trained elsewhere give logits without
any meaning, and the head keeps its initial values. Where another path still calls the head, the two disagree.

## How to find it
Change one weight of the head: the logits of that token must move. After one update every parameter that is used must
have a gradient.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import calls, head, shares_weight, token_embeddings
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Calls of a head that shares nothing with the token embedding of its class."""
    layer = head(source)
    tables = [] if layer is None else [table for table in token_embeddings(source) if table.owner is layer.owner]
    if layer is None or len(tables) != 1 or any(shares_weight(source, each.name) for each in (layer, tables[0])):
        return
    lookups = calls(source, {tables[0].name}, within=layer.owner)
    if not lookups:
        return
    weight = f"{source.code(lookups[0].func)}.weight.T"
    for call in calls(source, {layer.name}, within=layer.owner):
        stands_alone = isinstance(source.parent(call), cst.Assign | cst.Return | cst.Element | cst.Arg)
        if stands_alone and m.matches(call, m.Call(args=[m.Arg(m.Name() | m.Call() | m.Subscript(), star="")])):
            yield source.replace(call, f"{source.code(call.args[0].value)} @ {weight}")


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        C, V = config.width, config.vocab_size
        self.tok = nn.Embedding(V, C)
        self.norm = nn.LayerNorm(C)
        self.out = nn.Linear(C, V, bias=False)
"""

OPERATOR = Operator(
    id="logits-from-token-table",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/Comfy-Org/ComfyUI/pull/15048",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Trained from scratch it does well; with trained weights from elsewhere it predicts nonsense.",
        area="Look at the last step of a forward pass. Which parameters have a say in it, and which never change?",
        mechanism="Two matrices have a row for each token. Ask which of them was made to give scores.",
    ),
    examples=(
        Example(
            INIT + "\n    def forward(self, t):\n        x = self.tok(t)\n        return self.out(x)\n",
            INIT + "\n    def forward(self, t):\n        x = self.tok(t)\n        return x @ self.tok.weight.T\n",
        ),
        Example(
            INIT + "\n    def forward(self, t):\n        x = self.blocks(self.tok(t))\n"
            "        logits = self.out(self.norm(x))  # (B, T, V)\n        return logits\n",
            INIT + "\n    def forward(self, t):\n        x = self.blocks(self.tok(t))\n"
            "        logits = self.norm(x) @ self.tok.weight.T  # (B, T, V)\n        return logits\n",
        ),
        Example(
            INIT + "\n    def f(self, t):\n        x = self.tok(t)\n        return self.out(x[:, -1]), x\n",
            INIT + "\n    def f(self, t):\n        x = self.tok(t)\n        return x[:, -1] @ self.tok.weight.T, x\n",
        ),
    ),
    look_alikes=(
        INIT + "        self.tok.weight = self.out.weight\n"
        "\n    def forward(self, t):\n        return self.out(self.tok(t))\n",
        INIT + "\n    def forward(self, t):\n        x = self.tok(t)\n        return self.out(x).float()\n",
        INIT + "\n    def forward(self, x):\n        return self.out(x)\n",
    ),
    edits=edits,
)
