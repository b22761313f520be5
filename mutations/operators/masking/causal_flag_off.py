"""The fused attention is called without its causal flag.

## What it does
Turns the flag off that makes torch's own attention hide the future. There is no mask beside it.

## Why it is wrong
No mask is written anywhere in such code: the flag is all that keeps a position from reading what it should predict.

## Symptom
The training loss falls far below what the data allows, and what the model generates is worthless.

## How to find it
Change the last token of a sequence: no logits before it may move.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import FUSED
from mutations.roles.calls import argument
from mutations.roles.owners import is_torchs
from mutations.source import Source

IS_CAUSAL = 5


def edits(source: Source) -> Iterator[Edit]:
    """Calls of torch's attention with the causal flag."""
    for node in source.find(FUSED):
        flag = argument(cst.ensure_type(node, cst.Call), IS_CAUSAL, "is_causal")
        if (
            flag is not None
            and is_torchs(source, cst.ensure_type(node, cst.Call))
            and m.matches(flag.value, m.Name("True"))
        ):
            yield source.replace(flag.value, "False")


OPERATOR = Operator(
    id="causal-flag-off",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/facebookresearch/xformers/issues/103",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss falls further than the data allows, and generated text makes no sense.",
        area="Change one token, and look at which logits move.",
        mechanism="No mask is written here. Find what is to make one, and how it is asked to.",
    ),
    examples=(
        Example(
            "y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)\n",
            "y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=False)\n",
        ),
        Example(
            "y = torch.nn.functional.scaled_dot_product_attention(q, k, v, None, 0.0, True)\n",
            "y = torch.nn.functional.scaled_dot_product_attention(q, k, v, None, 0.0, False)\n",
        ),
    ),
    look_alikes=(
        "y = F.scaled_dot_product_attention(q, k, v, is_causal=mask is None)\n",
        "y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)\n",
        "y = attend(q, k, v, is_causal=True)\n",
    ),
    edits=edits,
)
