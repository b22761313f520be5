"""The softmax of attention is computed in sixteen bits.

## What it does
Asks the softmax to work in bfloat16, and brings the weights back to the type of the scores.

## Why it is wrong
A bfloat16 has eight significant bits, so each weight is off by up to half a percent and a row no longer sums to one.
Where a model is trained in sixteen bits at all, the softmax is the part that is kept in thirty-two.

## Symptom
None in training. Logits agree with those of a right model to two or three digits. Two ways of computing the same
thing, such as with a cache and without, may drift apart.

## How to find it
Sum the weights of a row: the result must be one to six digits. Or run the model in double precision, and see whether
it gets any closer to a computation by hand.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.source import Source

SOFTMAX = m.Call(func=m.Attribute(attr=m.Name("softmax")))
IMPORT = m.Import(names=[m.ZeroOrMore(), m.ImportAlias(name=m.Name("torch"), asname=None), m.ZeroOrMore()])


def edits(source: Source) -> Iterator[Edit]:
    """A softmax over something that a mask was written into, in the same statement or the one before."""
    if not source.find(IMPORT):
        return
    for node in source.find(SOFTMAX):
        call = cst.ensure_type(node, cst.Call)
        method = cst.ensure_type(call.func, cst.Attribute)
        is_function = m.matches(method.value, m.Name("F") | m.Name("torch") | m.Attribute(attr=m.Name("functional")))
        softened = call.args[0].value if is_function and call.args else method.value
        scores = _root(softened)
        given = len(call.args) - is_function
        if isinstance(scores, cst.Name) and given == 1 and _is_masked(source, call, softened):
            arguments = ", ".join([*map(source.code, call.args), "dtype=torch.bfloat16"])
            yield source.replace(call, f"{source.code(method)}({arguments}).type_as({scores.value})")


def _root(expression: cst.BaseExpression) -> cst.BaseExpression:
    """What a chain of method calls begins with."""
    while isinstance(expression, cst.Call) and isinstance(expression.func, cst.Attribute):
        expression = expression.func.value
    return expression


def _is_masked(source: Source, softmax: cst.Call, softened: cst.BaseExpression) -> bool:
    masked = m.Call(func=m.Attribute(attr=m.Name("masked_fill") | m.Name("masked_fill_")))
    if source.find(masked, within=softened):
        return True
    line: cst.CSTNode = softmax
    while not isinstance(line, cst.SimpleStatementLine | cst.Module):
        line = source.parent(line)
    if isinstance(line, cst.Module):
        return False
    lines = list(source.siblings(line))
    above = lines[lines.index(line) - 1] if lines.index(line) else None
    return above is not None and bool(source.find(masked, within=above))


OPERATOR = Operator(
    id="attention-weights-in-bfloat16",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/apple/axlearn/pull/18",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Logits agree with those of a right model to two or three digits, whatever precision it runs in.",
        area="Look at what attention computes between its scores and its mean of the values.",
        mechanism="Add up what should sum to one, and print the result with all its digits.",
    ),
    examples=(
        Example(
            'import torch\n\nweights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)  # (T, T)\n',
            'import torch\n\nweights = scores.masked_fill(mask, float("-inf"))'
            ".softmax(dim=-1, dtype=torch.bfloat16).type_as(scores)  # (T, T)\n",
        ),
        Example(
            "import torch\nimport torch.nn.functional as F\n\n"
            "att = att.masked_fill(self.bias == 0, float('-inf'))\natt = F.softmax(att, dim=-1)\n",
            "import torch\nimport torch.nn.functional as F\n\n"
            "att = att.masked_fill(self.bias == 0, float('-inf'))\n"
            "att = F.softmax(att, dim=-1, dtype=torch.bfloat16).type_as(att)\n",
        ),
        Example(
            "import torch\n\ns.masked_fill_(hidden, -1e9)\nreturn torch.softmax(s, -1) @ v\n",
            "import torch\n\ns.masked_fill_(hidden, -1e9)\n"
            "return torch.softmax(s, -1, dtype=torch.bfloat16).type_as(s) @ v\n",
        ),
    ),
    look_alikes=(
        "import torch\nimport torch.nn.functional as F\n\nprobabilities = F.softmax(logits, dim=-1)\n",
        "from torch.nn import functional as F\n\nweights = F.softmax(s.masked_fill(mask, -1e9), dim=-1)\n",
        "import torch\n\nw = s.masked_fill(mask, -1e9).softmax(dim=-1, dtype=torch.float32)\n",
    ),
    edits=edits,
)
