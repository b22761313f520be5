"""The position embeddings are added to the token embeddings, and the sum is thrown away.

## What it does
Turns the assignment of the sum into a call whose result is dropped: tensor methods without a trailing underscore
leave their tensor as it was.

## Why it is wrong
Attention treats its input as a set. Without positions the model cannot tell one order of the same tokens from
another, but for what the causal mask leaks.

## Symptom
It trains, only worse. The position table never gets a gradient and keeps its initial values.

## How to find it
In a model of one layer, give the same token twice: its logits must differ between the two positions. Or replace one
row of the position table and see whether anything moves.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import position_embeddings
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Statements that add a lookup in a position table to a name: `x = x + ...`, `x += ...`, `x.add_(...)`."""
    tables = [m.Name(table.name) for table in position_embeddings(source)]
    if not tables:
        return
    lookup = m.Call(func=m.Attribute(value=m.Name("self"), attr=m.OneOf(*tables)))
    for node in source.find(
        m.Assign(targets=[m.AssignTarget(m.Name())], value=m.BinaryOperation(operator=m.Add()))
        | m.AugAssign(target=m.Name(), operator=m.AddAssign(), value=lookup)
        | m.Expr(m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("add_")), args=[m.Arg(lookup)]))
    ):
        if isinstance(node, cst.Assign):
            total = node.targets[0].target
            addition = cst.ensure_type(node.value, cst.BinaryOperation)
            operands = (addition.left, addition.right)
            for kept, added in (operands, operands[::-1]):
                if kept.deep_equals(total) and m.matches(added, lookup):
                    yield source.replace(node, f"{source.code(total)}.add({source.code(added)})")
        elif isinstance(node, cst.AugAssign):
            yield source.replace(node, f"{source.code(node.target)}.add({source.code(node.value)})")
        elif isinstance(node, cst.Expr):
            method = cst.ensure_type(cst.ensure_type(node.value, cst.Call).func, cst.Attribute).attr
            yield source.replace_within(node, method, "add")


INIT = """\
class Embed(nn.Module):
    def __init__(self, config):
        C, V = config.width, config.vocab_size
        self.tok = nn.Embedding(V, C)
        self.pos = nn.Embedding(config.n_positions, C)

    def forward(self, tokens):
"""

OPERATOR = Operator(
    id="position-sum-discarded",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/guocheng2025/Transformer-Encoder/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="A text of one token repeated gets the same scores at every position.",
        area="Follow one token into the first block. After one backward pass, which parameter has no gradient?",
        mechanism="Something is computed there, and its result is not kept.",
    ),
    examples=(
        Example(
            INIT + "        x = self.tok(tokens)\n        x = x + self.pos(arange(T))  # (T, C)\n        return x\n",
            INIT + "        x = self.tok(tokens)\n        x.add(self.pos(arange(T)))  # (T, C)\n        return x\n",
        ),
        Example(
            INIT + "        x = self.tok(tokens)\n        x = self.pos(p) + x\n        return x\n",
            INIT + "        x = self.tok(tokens)\n        x.add(self.pos(p))\n        return x\n",
        ),
        Example(
            INIT + "        h = self.tok(tokens)\n        h += self.pos(p)\n        return h\n",
            INIT + "        h = self.tok(tokens)\n        h.add(self.pos(p))\n        return h\n",
        ),
        Example(
            INIT
            + "        return self.tok(tokens).mul_(2)\n\n    def embed(self, x, p):\n        x.add_(self.pos(p))\n",
            INIT
            + "        return self.tok(tokens).mul_(2)\n\n    def embed(self, x, p):\n        x.add(self.pos(p))\n",
        ),
    ),
    look_alikes=(
        INIT + "        x = self.pos(p)\n        x = x + self.tok(tokens)\n        return x\n",
        INIT + "        x = x + self.attn(x)\n        return x\n",
        INIT + "        return self.drop(x.add_(self.pos(p)))\n",
        "x = x + self.pos(p)\n",
    ),
    edits=edits,
)
