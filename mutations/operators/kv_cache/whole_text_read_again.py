"""Generation with a cache feeds the whole text again in every step, to a cache that already holds it.

## What it does
Keeps the whole text as what is still to be read, where only the newest token is.

## Why it is wrong
The cache stands for everything read so far. Reading it again puts a second copy behind the first, at later positions,
and a third behind that.

## Symptom
The first generated token is right, later ones are odd. The cache grows much faster than the text, so that the context
is full long before it should be, and generation stops with an error about a length that was not asked for.

## How to find it
Print the length of each chunk that generation feeds, and of the cache. Together they must make the text, not more.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import handovers
from mutations.roles.layers import function_name
from mutations.source import Source

NEWEST = m.Subscript(
    slice=[m.AtLeastN(n=1), m.SubscriptElement(m.Slice(lower=m.UnaryOperation(m.Minus()), upper=None))]
)


def edits(source: Source) -> Iterator[Edit]:
    """Where generated tokens are appended to the text, or where the newest one is taken from it."""
    for handover in handovers(source):
        scope = source.scope(handover.call)
        for arg in handover.call.args:
            if isinstance(arg.value, cst.Name):
                yield from _appended(source, scope, arg.value)
            for choice in source.find(m.IfExp(), within=arg.value):
                yield from _chosen(source, cst.ensure_type(choice, cst.IfExp))


def _appended(source: Source, scope: cst.CSTNode, unread: cst.Name) -> Iterator[Edit]:
    """`text = torch.cat((text, unread))`: the text becomes what is unread as well."""
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name())], value=m.Call(args=[m.AtLeastN(n=1)])), scope):
        assignment = cst.ensure_type(node, cst.Assign)
        call, text = cst.ensure_type(assignment.value, cst.Call), assignment.targets[0].target
        parts = call.args[0].value
        if function_name(call) not in ("cat", "concat") or not isinstance(parts, cst.Tuple | cst.List):
            continue
        values = [element.value for element in parts.elements]
        if len(values) == 2 and values[0].deep_equals(text) and values[1].deep_equals(unread):
            yield source.replace(assignment, f"{source.code(text)} = {unread.value} = {source.code(call)}")


def _chosen(source: Source, choice: cst.IfExp) -> Iterator[Edit]:
    """`text if cache is None else text[:, -1:]`: the text, always."""
    for text, newest in ((choice.body, choice.orelse), (choice.orelse, choice.body)):
        if m.matches(newest, NEWEST) and cst.ensure_type(newest, cst.Subscript).value.deep_equals(text):
            yield source.replace(choice, source.code(text))


OPERATOR = Operator(
    id="whole-text-read-again",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/utensils/mold/issues/1690",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Generation with a cache goes astray after its first token, and runs out of context early.",
        area="Count the tokens that each step of generation feeds to the model.",
        mechanism="What the cache holds need not be shown a second time. Does anything reach the model twice?",
    ),
    examples=(
        Example(
            "for _ in range(n):\n    logits, cache = self.step(unread, cache)\n    unread = pick(logits)\n"
            "    tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)\n",
            "for _ in range(n):\n    logits, cache = self.step(unread, cache)\n    unread = pick(logits)\n"
            "    tokens = unread = torch.cat((tokens, unread), dim=1)  # (B, T + 1)\n",
        ),
        Example(
            "def go(net, idx, kv=None):\n    while idx.size(1) < 9:\n        out, kv = net(new, kv=kv)\n"
            "        new = out[:, -1:].argmax(-1)\n        idx = torch.cat([idx, new], 1)\n    return idx\n",
            "def go(net, idx, kv=None):\n    while idx.size(1) < 9:\n        out, kv = net(new, kv=kv)\n"
            "        new = out[:, -1:].argmax(-1)\n        idx = new = torch.cat([idx, new], 1)\n    return idx\n",
        ),
        Example(
            "for _ in range(n):\n    logits, past = model(idx if past is None else idx[:, -1:], past)\n"
            "    idx = torch.cat((idx, pick(logits)), dim=1)\n",
            "for _ in range(n):\n    logits, past = model(idx, past)\n"
            "    idx = torch.cat((idx, pick(logits)), dim=1)\n",
        ),
    ),
    look_alikes=(
        "for _ in range(n):\n    logits, loss = model(idx)\n    idx = torch.cat((idx, pick(logits)), dim=1)\n",
        "logits, cache = step(x, cache)\ny = torch.cat((x, z), dim=1)\n",
        "logits, past = model(idx[:, -1:], past)\n",
    ),
    edits=edits,
)
