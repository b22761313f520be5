"""The mask of the fused attention says what is hidden, where it has to say what may be seen.

## What it does
Negates the boolean mask that torch's own attention is given.

## Why it is wrong
In that function True lets a key take part; in `masked_fill` True takes it out. With the meaning of the one in the other
every position reads what it must not, and nothing that it should.

## Symptom
The loss falls too far, generation fails, and the last position, which may see all, sees nothing.

## How to find it
Change a later token: no logits before it may move. Then look up what True means to the function that is called.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import FUSED
from mutations.roles.calls import argument
from mutations.roles.definition import definition
from mutations.roles.owners import is_torchs
from mutations.source import Source

ATTN_MASK = 3
BOOLEAN = m.Comparison() | m.Attribute(attr=m.Name("bool"))


def edits(source: Source) -> Iterator[Edit]:
    """Boolean masks that torch's attention is given."""
    for node in source.find(FUSED):
        given = argument(cst.ensure_type(node, cst.Call), ATTN_MASK, "attn_mask")
        if given is None or not is_torchs(source, cst.ensure_type(node, cst.Call)):
            continue
        mask = given.value
        if m.matches(mask, m.UnaryOperation(operator=m.BitInvert())):
            yield source.replace(mask, source.code(cst.ensure_type(mask, cst.UnaryOperation).expression))
        elif isinstance(mask, cst.Name | cst.Attribute | cst.Subscript) and _is_boolean(source, mask):
            yield source.replace(mask, f"~{source.code(mask)}")


def _is_boolean(source: Source, mask: cst.BaseExpression) -> bool:
    while isinstance(mask, cst.Subscript):
        mask = mask.value
    made = definition(source, mask)
    while isinstance(made, cst.Subscript):
        made = definition(source, made.value)
    return made is not mask and bool(source.find(BOOLEAN, within=made))


OPERATOR = Operator(
    id="fused-mask-inverted",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/rasbt/LLMs-from-scratch/pull/1062",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss is too good, the text is not, and for some positions there are no numbers at all.",
        area="Write down, for one position, which keys it reads.",
        mechanism="The same two words mean opposite things to two functions of one library.",
    ),
    examples=(
        Example(
            "def attend(q, k, v, i, j):\n"
            "    seen = j[None, :] <= i[:, None]\n"
            "    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)\n",
            "def attend(q, k, v, i, j):\n"
            "    seen = j[None, :] <= i[:, None]\n"
            "    return F.scaled_dot_product_attention(q, k, v, attn_mask=~seen)\n",
        ),
        Example(
            "hidden = torch.ones(T, T, dtype=torch.bool).triu(1)\n"
            "y = F.scaled_dot_product_attention(q, k, v, ~hidden)\n",
            "hidden = torch.ones(T, T, dtype=torch.bool).triu(1)\n"
            "y = F.scaled_dot_product_attention(q, k, v, hidden)\n",
        ),
    ),
    look_alikes=(
        "y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)\n",
        "mask = torch.full((T, T), -1e9).triu(1)\ny = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)\n",
        "y = F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
        "from mine import scaled_dot_product_attention\n\ny = scaled_dot_product_attention(q, k, v, ~hidden)\n",
    ),
    edits=edits,
)
