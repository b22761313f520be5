"""One matrix makes queries, keys and values, and two of the three are taken for each other.

## What it does
Gives the last two parts of a fused projection each other's name.

## Why it is wrong
Which part of a matrix is which is fixed by the code that made the weights. A model that is trained from nothing
comes to terms with any order; with weights from elsewhere keys are averaged, and values compared.

## Symptom
Trained from nothing it is as good as before. With the weights of a right model it writes nonsense.

## How to find it
Take the weights of a right model, and compare the outputs of one layer of attention.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.source import Source

CUT = m.Call(func=m.Attribute(attr=m.OneOf(*map(m.Name, ("split", "chunk", "unbind", "tensor_split"))))) | m.Tuple(
    elements=[m.Element(m.Subscript())] * 3
)
NUMPY = m.Attribute(value=m.Name("np") | m.Name("numpy"))
KEYS = m.Name(m.MatchRegex(r"(x?k|keys?)(_.*|eys?)?"))
VALUES = m.Name(m.MatchRegex(r"(x?v|values?)(_.*|alues?)?"))


def edits(source: Source) -> Iterator[Edit]:
    """Where the parts of one tensor are given names, those of queries, keys and values in this order."""
    three = m.Tuple(elements=[m.Element(m.Name()), m.Element(KEYS), m.Element(VALUES)])
    for node in source.find(m.Assign(targets=[m.AssignTarget(three)], value=CUT)):
        if source.find(NUMPY, within=node):  # weights from elsewhere, on their way into layers
            continue
        names = cst.ensure_type(cst.ensure_type(node, cst.Assign).targets[0].target, cst.Tuple).elements
        keys, values = names[1].value, names[2].value
        (start, middle), (middle_end, end) = source.span(keys), source.span(values)
        between = source.code_between(middle, middle_end)
        yield source.replace_span(start, end, source.code(values) + between + source.code(keys))


OPERATOR = Operator(
    id="fused-parts-out-of-order",
    category=Category.ATTENTION,
    file="model.py",
    origin="https://github.com/jsbaan/transformer-from-scratch/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains like any other, but with weights that work elsewhere it talks nonsense.",
        area="Silence a third of one large matrix, and see which of three things goes away.",
        mechanism="Three things come out of one product. Ask in which order, and who says so.",
    ),
    examples=(
        Example(
            "q, k, v = self.c_attn(x).split(self.n_embd, dim=2)\n",
            "q, v, k = self.c_attn(x).split(self.n_embd, dim=2)\n",
        ),
        Example(
            "query, key, value = qkv[0], qkv[1], qkv[2]  # (B, H, T, D)\n",
            "query, value, key = qkv[0], qkv[1], qkv[2]  # (B, H, T, D)\n",
        ),
        Example(
            "(queries, keys, values) = self.qkv(x).chunk(3, dim=-1)\n",
            "(queries, values, keys) = self.qkv(x).chunk(3, dim=-1)\n",
        ),
    ),
    look_alikes=(
        "q, k, v = self.q(x), self.k(x), self.v(x)\n",
        "q_w, k_w, v_w = np.split(params[name], 3, axis=-1)\n",
        "a, b, c = x.split(n, dim=2)\n",
        "q, v, k = self.c_attn(x).split(n, dim=2)\n",
    ),
    edits=edits,
)
