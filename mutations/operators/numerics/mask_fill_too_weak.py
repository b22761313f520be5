"""Forbidden scores are set to minus ten thousand instead of minus infinity.

## What it does
Replaces the infinite value that a mask writes by a large finite one.

## Why it is wrong
A softmax only cares for differences. As long as all scores are near zero, minus ten thousand is as good as minus
infinity; once the scores that are allowed are lower than that, the forbidden ones win. Nothing in a model bounds its
scores.

## Symptom
None for a healthy model of this size. In a large one, whose scores have grown, or with keys of some strange tokens,
attention suddenly goes to what it must not see.

## How to find it
Multiply the query weights by a million. No logit may then move when a later token is changed.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.attention import attends
from mutations.source import Source

FINITE = "-1e4"
FILL = m.Call(func=m.Attribute(attr=m.Name("masked_fill") | m.Name("masked_fill_") | m.Name("full")))
MINUS = m.UnaryOperation(operator=m.Minus())
INFINITY = m.Call(func=m.Name("float"), args=[m.Arg(m.SimpleString())]) | m.Attribute(attr=m.Name("inf"))


def edits(source: Source) -> Iterator[Edit]:
    """Values of minus infinity that scores are filled with where a mask says so, or that a mask is made of."""
    for node in source.find(FILL):
        call = cst.ensure_type(node, cst.Call)
        if _is_about_tokens(source, call):
            continue
        for arg in call.args[1:]:
            if _is_minus_infinity(arg.value) and _is_not_missed(source, arg.value):
                yield source.replace_within(call, arg.value, FINITE)


def _is_about_tokens(source: Source, call: cst.Call) -> bool:
    """Whether it is the scores of tokens to pick from that are filled, outside of attention."""
    filled = source.code(cst.ensure_type(call.func, cst.Attribute).value).lower()
    return ("logit" in filled or "prob" in filled) and not attends(source, call)


def _is_minus_infinity(value: cst.BaseExpression) -> bool:
    negated = m.matches(value, MINUS)
    if negated:
        value = cst.ensure_type(value, cst.UnaryOperation).expression
    if not m.matches(value, INFINITY):
        return False
    if isinstance(value, cst.Attribute):
        return negated
    text = cst.ensure_type(cst.ensure_type(value, cst.Call).args[0].value, cst.SimpleString).evaluated_value
    return text in (("inf", "infinity") if negated else ("-inf", "-infinity"))


def _is_not_missed(source: Source, value: cst.BaseExpression) -> bool:
    """Whether the module that infinity is taken from, if it is, has another use in the file."""
    modules = source.find(m.Attribute(value=m.Name(), attr=m.Name("inf")), within=value)
    names = [cst.ensure_type(cst.ensure_type(module, cst.Attribute).value, cst.Name).value for module in modules]
    return all(len(source.find(m.Attribute(value=m.Name(name)))) > 1 for name in names)


OPERATOR = Operator(
    id="mask-fill-too-weak",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/TransformerLensOrg/TransformerLens/pull/319",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Every plain test of causality passes. In a model whose weights have grown, the future leaks.",
        area="Make the scores of attention enormous, and ask again who sees whom.",
        mechanism="What is forbidden should lose against every score that there can be.",
    ),
    examples=(
        Example(
            'weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)\n',
            "weights = scores.masked_fill(mask, -1e4).softmax(dim=-1)\n",
        ),
        Example(
            "att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float('-inf'))  # causal\n",
            "att = att.masked_fill(self.bias[:, :, :T, :T] == 0, -1e4)  # causal\n",
        ),
        Example(
            "import torch\n\nscores.masked_fill_(~torch.tril(ones), value=-torch.inf)\n",
            "import torch\n\nscores.masked_fill_(~torch.tril(ones), value=-1e4)\n",
        ),
        Example(
            'mask = torch.full((T, T), -float("inf")).triu(1)\n',
            "mask = torch.full((T, T), -1e4).triu(1)\n",
        ),
    ),
    look_alikes=(
        'logits = logits.masked_fill(logits < kept[:, -1:], float("-inf"))\n',
        "weights = weights.masked_fill(mask, 0.0)\n",
        'best = torch.full((B,), float("inf"))\n',
        "import math\n\nscores = scores.masked_fill(mask, -math.inf)\n",
    ),
    edits=edits,
)
