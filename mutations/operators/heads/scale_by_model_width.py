"""Attention scores are scaled by the width of the model instead of the width of a head.

## What it does
Divides the scores by the square root of C where it should be the square root of D = C / H.

## Why it is wrong
A score is a sum over the D channels of one head, so its spread grows like the square root of D. Divided by more than
that, scores are too small by the square root of H, and attention is flatter than it was meant to be.

## Symptom
None that a loss curve shows: a model trained this way learns larger weights. Only against another implementation, with
the same weights, the results are off; with sixteen heads the scores are a quarter of what they should be.

## How to find it
Compute one head by hand, or with PyTorch's own attention, from the same weights. With a single head the two widths are
equal and the bug is not there.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.heads import has_heads
from mutations.roles.sizes import resolve
from mutations.source import Source

LAST = m.UnaryOperation(m.Minus(), m.Integer("1"))
LAST_SIZE = m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("size")), args=[m.Arg(LAST)]) | m.Subscript(
    value=m.Attribute(value=m.Name(), attr=m.Name("shape")), slice=[m.SubscriptElement(m.Index(LAST))]
)
ROOT = m.Call(func=m.Attribute(attr=m.Name("sqrt")) | m.Name("sqrt"), args=[m.Arg()]) | m.BinaryOperation(
    operator=m.Power(), right=m.Float("0.5") | m.UnaryOperation(m.Minus(), m.Float("0.5"))
)
SIZES = m.Call(func=m.Attribute(attr=m.Name("size")), args=[]) | m.Attribute(attr=m.Name("shape"))


def edits(source: Source) -> Iterator[Edit]:
    """Roots of a head's width, in classes that cut heads and in functions that know the model's width."""
    for node in source.find(ROOT):
        if isinstance(node, cst.BinaryOperation):
            width = node.left
        else:
            width = cst.ensure_type(node, cst.Call).args[0].value
        model_width = _model_width(source, width) if has_heads(source, node) else None
        if model_width is not None:
            yield source.replace_within(node, width, model_width)


def _model_width(source: Source, head_width: cst.BaseExpression) -> str | None:
    """What to write for the model's width where a head's width stands, and no trace is left."""
    if m.matches(head_width, LAST_SIZE):
        return _unpacked_width(source, head_width)
    divided = resolve(source, head_width)
    used = source.find(m.Name(), within=source.scope(head_width))
    # Once where it is assigned, once here: with one more the name is not left without a use.
    if divided is head_width or sum(name.deep_equals(head_width) for name in used) < 3:
        return None
    if isinstance(divided, cst.BinaryOperation) and m.matches(divided.operator, m.FloorDivide()):
        return source.code(divided.left) if m.matches(divided.left, m.Name() | m.Attribute()) else None
    return None


def _unpacked_width(source: Source, node: cst.CSTNode) -> str | None:
    """The third name of `B, T, C = x.size()`, in the function around a node."""
    three = m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name()), m.Element(m.Name())])
    for found in source.find(m.Assign(targets=[m.AssignTarget(three)], value=SIZES), within=source.scope(node)):
        if source.span(found) < source.span(node):
            names = cst.ensure_type(cst.ensure_type(found, cst.Assign).targets[0].target, cst.Tuple)
            width = source.code(names.elements[2].value)
            return None if width.startswith("_") else width
    return None


CUT = """\
class Attention(nn.Module):
    def cut(self, x, B, T):
        return x.view(B, T, self.n_head, -1).transpose(1, 2)

    def forward(self, x):
"""

OPERATOR = Operator(
    id="scale-by-model-width",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/karpathy/ng-video-lecture/pull/6",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="Given the same weights as another implementation, attention is less decided than it should be.",
        area="Look at the scores before the softmax, for one head and for many.",
        mechanism="A score is a sum. Count how many terms it has, and compare with what it is divided by.",
    ),
    examples=(
        Example(
            CUT
            + "        B, T, C = x.size()\n        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))\n",
            CUT + "        B, T, C = x.size()\n        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(C))\n",
        ),
        Example(
            CUT + "        b, t, c = x.shape\n        w = q @ k.transpose(2, 3) * k.shape[-1] ** -0.5\n",
            CUT + "        b, t, c = x.shape\n        w = q @ k.transpose(2, 3) * c ** -0.5\n",
        ),
        Example(
            CUT + "        q = self.cut(q)\n\n    def __init__(self, dim, heads):\n        hd = dim // heads\n"
            "        self.scale = hd**-0.5\n        self.norm = nn.LayerNorm(hd)\n",
            CUT + "        q = self.cut(q)\n\n    def __init__(self, dim, heads):\n        hd = dim // heads\n"
            "        self.scale = dim**-0.5\n        self.norm = nn.LayerNorm(hd)\n",
        ),
    ),
    look_alikes=(
        "class One(nn.Module):\n    def forward(self, q, k):\n        B, T, C = q.shape\n"
        "        return q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))\n",
        CUT + "        return q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))\n",
        CUT + "        B, T, C = x.shape\n        return q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)\n",
        CUT + "        B, T, _ = x.shape\n        return q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))\n",
        CUT + "        std = 0.02 / math.sqrt(2 * n_layer)\n",
    ),
    edits=edits,
)
