"""Every head compares its queries with the keys of the first head.

## What it does
Takes one head of the keys before the scores are computed. Broadcasting then stretches it over all the heads, so no
shape gives it away.

## Why it is wrong
A head is a pair of maps that were made for each other: its queries ask what its keys answer. Read by the wrong
queries, the keys of the first head say little, and the keys of the others are never read at all.

## Symptom
It trains somewhat worse. The rows of the key weights that belong to the other heads get no gradient: only weight decay
moves them. With one head nothing changes.

## How to find it
After one backward pass, look at the gradient of the key weights, head by head. Or nudge the weights of one head alone
and see whether anything moves.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.roles.heads import has_heads
from mutations.source import Source

LAST_TWO = [m.Arg(m.UnaryOperation(m.Minus(), m.Integer("2"))), m.Arg(m.UnaryOperation(m.Minus(), m.Integer("1")))]
TURNED = (
    m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("transpose")), args=LAST_TWO)
    | m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("transpose")), args=LAST_TWO[::-1])
    | m.Call(
        func=m.Attribute(value=m.Name(), attr=m.Name("transpose")),
        args=[m.Arg(m.Integer("2")), m.Arg(m.Integer("3"))],
    )
)
SCORES = m.BinaryOperation(operator=m.MatrixMultiply(), right=TURNED)


def edits(source: Source) -> Iterator[Edit]:
    """Keys on their way into the scores, in classes that cut heads: computed there, or in a function called there."""
    functions: dict[str, tuple[int, str]] = {}
    for here in (*source.beside, source):
        for node in here.find(SCORES):
            keys = _keys(node)
            if has_heads(here, node):
                if here is source:
                    yield source.replace(keys, f"{keys.value}[:, :1]")
            elif isinstance(scope := here.scope(node), cst.FunctionDef):
                names = [parameter.name.value for parameter in scope.params.params]
                if keys.value in names:
                    functions[scope.name.value] = (names.index(keys.value), keys.value)
    for node in source.find(m.Call(func=m.Name())):
        call = cst.ensure_type(node, cst.Call)
        parameter = functions.get(cst.ensure_type(call.func, cst.Name).value)
        passed = None if parameter is None else argument(call, *parameter)
        if passed is not None and isinstance(passed.value, cst.Name) and has_heads(source, call):
            yield source.replace(passed.value, f"{passed.value.value}[:, :1]")


def _keys(scores: cst.CSTNode) -> cst.Name:
    """The name on the right of a product of queries and keys."""
    turned = cst.ensure_type(cst.ensure_type(scores, cst.BinaryOperation).right, cst.Call)
    return cst.ensure_type(cst.ensure_type(turned.func, cst.Attribute).value, cst.Name)


CUT = """\
class Attention(nn.Module):
    def cut(self, x, B, T):
        return x.view(B, T, self.n_head, -1).transpose(1, 2)

    def forward(self, x):
"""
ATTEND = """\
def attend(q, k, v):
    return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v


"""

OPERATOR = Operator(
    id="keys-of-first-head-only",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/MarcoMeter/episodic-transformer-memory-ppo/pull/22",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="More heads bring less than they should, and a part of the weights never gets a gradient.",
        area="Ask of each head which of the weights of attention it depends on.",
        mechanism="Where queries meet what they are compared with, two shapes differ and broadcasting evens them out.",
    ),
    examples=(
        Example(
            CUT + "        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\n",
            CUT + "        att = (q @ k[:, :1].transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\n",
        ),
        Example(
            ATTEND + CUT + "        y = attend(self.cut(q), k, v)  # (B, H, T, D)\n",
            ATTEND + CUT + "        y = attend(self.cut(q), k[:, :1], v)  # (B, H, T, D)\n",
        ),
        Example(
            ATTEND + CUT + "        return attend(q, v=v, k=keys)\n",
            ATTEND + CUT + "        return attend(q, v=v, k=keys[:, :1])\n",
        ),
        Example(
            CUT + "        scores = queries @ keys.transpose(2, 3)\n",
            CUT + "        scores = queries @ keys[:, :1].transpose(2, 3)\n",
        ),
    ),
    look_alikes=(
        ATTEND + "class One(nn.Module):\n    def forward(self, q, k, v):\n        return attend(q, k, v)\n",
        CUT + "        return att @ v.transpose(1, 2)\n",
        CUT + "        return F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
    ),
    edits=edits,
)
