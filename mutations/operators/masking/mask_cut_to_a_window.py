"""Every position sees itself and the three tokens before it, and nothing earlier.

## What it does
Cuts the causal mask a second time, from below: the window of a model with local attention, in one that has none.

## Why it is wrong
Full attention may look back as far as there are tokens. Nothing in the configuration asks for a window.

## Symptom
None while sequences are short, and little on text whose next token follows from the last few. Long dependencies are
never learnt. In a stack of blocks the reach adds up, which hides the window further.

## How to find it
In a model of one layer, change the first token of a long sequence: every later logit must move. Count how far it
reaches.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import Triangle, triangles
from mutations.roles.sizes import resolve
from mutations.source import Source

REACH = 3
ONES = m.Call(func=m.Attribute(attr=m.Name("ones") | m.Name("ones_like")))
BOOLEAN = m.Arg(keyword=m.Name("dtype"), value=m.Attribute(attr=m.Name("bool")))


def edits(source: Source) -> Iterator[Edit]:
    """Triangles of ones: what is allowed is cut again, and what is forbidden, if boolean, is what a band leaves out."""
    for triangle in triangles(source):
        call, matrix = triangle.call, _matrix(triangle)
        ones = resolve(source, matrix)
        if not isinstance(ones, cst.Call) or not m.matches(ones, ONES):
            continue
        if triangle.name == "tril":
            yield source.replace(call, f"{source.code(call)}.triu(diagonal=-{REACH})")
        elif any(m.matches(arg, BOOLEAN) for arg in ones.args):
            yield source.replace(call, f"~{source.code(matrix)}.tril().triu(diagonal=-{REACH})")


def _matrix(triangle: Triangle) -> cst.BaseExpression:
    """What the triangle is cut out of."""
    if triangle.is_function:
        return triangle.call.args[0].value
    return cst.ensure_type(triangle.call.func, cst.Attribute).value


OPERATOR = Operator(
    id="mask-cut-to-a-window",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/huggingface/transformers/issues/38002",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="What was said long ago makes no difference to what the model says now.",
        area="Take one layer and a long sequence, and change the first token. How far do logits move?",
        mechanism="Count, in the last row of the mask, how many tokens may be looked at.",
    ),
    examples=(
        Example(
            "return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)\n",
            "return ~torch.ones(T, T, dtype=torch.bool, device=device).tril().triu(diagonal=-3)  # (T, T)\n",
        ),
        Example(
            "mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)\n",
            "mask = ~torch.ones(T, T, dtype=torch.bool).tril().triu(diagonal=-3)\n",
        ),
        Example(
            'self.register_buffer("bias", torch.tril(torch.ones(n, n)).view(1, 1, n, n))\n',
            'self.register_buffer("bias", torch.tril(torch.ones(n, n)).triu(diagonal=-3).view(1, 1, n, n))\n',
        ),
        Example(
            "def mask(T):\n    ones = torch.ones(T, T)\n    return ones.tril(0).bool()\n",
            "def mask(T):\n    ones = torch.ones(T, T)\n    return ones.tril(0).triu(diagonal=-3).bool()\n",
        ),
    ),
    look_alikes=(
        "mask = torch.triu(torch.ones(T, T), 1)\n",
        'mask = torch.full((T, T), float("-inf")).triu(1)\n',
        "band = torch.ones(T, T).tril(diagonal=4)\n",
    ),
    edits=edits,
)
