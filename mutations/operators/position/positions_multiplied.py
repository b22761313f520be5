"""Position embeddings are multiplied with the token embeddings instead of added.

## What it does
Puts a product where the sum of the two lookups was.

## Why it is wrong
Added, token and position each keep a direction of their own that later layers can read. Multiplied, small numbers by
small numbers, neither is there by itself, and a token whose embedding is near zero has no position at all.

## Symptom
It trains, and learns late. What enters the first block is far smaller than it should be; the layer norms hide that.

## How to find it
Set the position table to zero: the model must still tell tokens apart. Or compare the input of the first block with
the two lookups.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.positions import additions
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where positions are added to tokens: `*`, `*=` or `mul_` in the place of `+`, `+=` or `add_`."""
    for addition in additions(source):
        node = addition.node
        if isinstance(node, cst.Call):
            method = cst.ensure_type(node.func, cst.Attribute).attr
            yield source.replace_within(node, method, method.value.replace("add", "mul"))
            continue
        left, right = (node.left, node.right) if isinstance(node, cst.BinaryOperation) else (node.target, node.value)
        (start, end_left), (start_right, end) = source.span(left), source.span(right)
        between = source.code_between(end_left, start_right).replace("+", "*")
        yield source.replace_span(
            start, end, source.code_between(start, end_left) + between + source.code_between(start_right, end)
        )


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens, p):
"""

OPERATOR = Operator(
    id="positions-multiplied",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/PolymathicAI/xVal/issues/5",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With a position table of zeros the model cannot tell one token from another.",
        area="Look at the input of the first block, and at what it is made of.",
        mechanism="Two lookups meet there. Ask what is left of the one when the other is zero.",
    ),
    examples=(
        Example(
            INIT + "        x = self.tok(tokens)\n        x = x + self.pos(p)  # (T, C)\n        return x\n",
            INIT + "        x = self.tok(tokens)\n        x = x * self.pos(p)  # (T, C)\n        return x\n",
        ),
        Example(
            INIT + "        tok, pos = self.tok(tokens), self.pos(p)\n        return self.drop(tok + pos)\n",
            INIT + "        tok, pos = self.tok(tokens), self.pos(p)\n        return self.drop(tok * pos)\n",
        ),
        Example(
            INIT + "        x = self.tok(tokens)\n        x += self.pos(p)\n        return x\n",
            INIT + "        x = self.tok(tokens)\n        x *= self.pos(p)\n        return x\n",
        ),
        Example(
            INIT + "        return self.tok(tokens).add_(self.pos(p))\n",
            INIT + "        return self.tok(tokens).mul_(self.pos(p))\n",
        ),
        Example(
            "class GPT(nn.Module):\n    def __init__(self, c):\n"
            "        self.transformer = nn.ModuleDict(dict(wpe = nn.Embedding(c.block_size, c.n_embd)))\n\n"
            "    def forward(self, tok_emb, p):\n        pos_emb = self.transformer.wpe(p)\n"
            "        return tok_emb + pos_emb\n",
            "class GPT(nn.Module):\n    def __init__(self, c):\n"
            "        self.transformer = nn.ModuleDict(dict(wpe = nn.Embedding(c.block_size, c.n_embd)))\n\n"
            "    def forward(self, tok_emb, p):\n        pos_emb = self.transformer.wpe(p)\n"
            "        return tok_emb * pos_emb\n",
        ),
    ),
    look_alikes=(
        INIT + "        return self.tok(tokens) + self.tok(p)\n",
        INIT + "        x = x + self.attn(x)\n        return x\n",
        INIT + "        return torch.cat((self.tok(tokens), self.pos(p)), dim=-1)\n",
    ),
    edits=edits,
)
