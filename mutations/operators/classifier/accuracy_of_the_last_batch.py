"""The accuracy that is reported is that of the last batch, not of all.

## What it does
Starts the collection anew with every batch, so that only the last one is left when the mean is taken.

## Why it is wrong
One batch is a small sample. The number jumps from one evaluation to the next and depends on the order of the batches.

## Symptom
With a single batch, or when all are answered equally well, nothing shows. Otherwise the accuracy moves by several
percent for no reason, while the loss beside it is steady.

## How to find it
Evaluate two batches in both orders. Both numbers must stay the same.
"""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.source import Source

APPEND = m.Expr(m.Call(func=m.Attribute(value=m.Name(), attr=m.Name("append")), args=[m.Arg(keyword=None, star="")]))
# What else is called `acc`: what is accumulated.
OTHER_COUNTS = ("loss", "losses", "step", "steps", "grad", "grads", "time", "tokens")
COUNT = m.AugAssign(target=m.Name(), operator=m.AddAssign())


def edits(source: Source) -> Iterator[Edit]:
    """In a loop, where what is right about a batch is put with what was right about those before it."""
    for loop in source.find(m.For()):
        body = cst.ensure_type(loop, cst.For).body
        for node in source.find(APPEND | COUNT, within=body):
            if not _is_about_accuracy(source.code(node)):
                continue
            if isinstance(node, cst.AugAssign):
                yield source.replace(node, f"{source.code(node.target)} = {source.code(node.value)}")
            else:
                call = cst.ensure_type(cst.ensure_type(node, cst.Expr).value, cst.Call)
                collected = source.code(cst.ensure_type(call.func, cst.Attribute).value)
                yield source.replace(call, f"{collected} = [{source.code(call.args[0])}]")


def _is_about_accuracy(text: str) -> bool:
    words = re.findall(r"[a-z]+", text.lower())
    if any(word in OTHER_COUNTS for word in words):
        return False
    if any(word.startswith("accura") or "correct" in word for word in words):
        return True
    return any(word in ("acc", "accs") for word in words) and ("==" in text or "argmax" in text)


OPERATOR = Operator(
    id="accuracy-of-the-last-batch",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/xiaolai-sqlai/gluon-reid/issues/8",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The reported share of right answers depends on the order in which the data come.",
        area="Evaluate a few batches together and one by one, and compare.",
        mechanism="Follow what is known after the first batch. Where is it after the second?",
    ),
    examples=(
        Example(
            "for batch in batches:\n    accuracies.append(accuracy(model(batch), batch.labels))  # one\n",
            "for batch in batches:\n    accuracies = [accuracy(model(batch), batch.labels)]  # one\n",
        ),
        Example(
            "for x, y in data:\n    if y is not None:\n        accs.append((net(x) == y).float().mean())\n",
            "for x, y in data:\n    if y is not None:\n        accs = [(net(x) == y).float().mean()]\n",
        ),
        Example(
            "for x, y in data:\n    correct += (net(x).argmax(-1) == y).sum().item()\n    total += y.numel()\n",
            "for x, y in data:\n    correct = (net(x).argmax(-1) == y).sum().item()\n    total += y.numel()\n",
        ),
    ),
    look_alikes=(
        "for x in parts:\n    acc_loss += loss(x)\n    acc_steps += 1\n    acc.append(loss(x))\n",
        "for x, y in batches:\n    loss_accum += loss(x, y)\n",
        "for batch in batches:\n    losses.append(loss(model, batch))\n",
        "accuracies.append(accuracy(scores, labels))\n",
        "for batch in batches:\n    accuracies = [accuracy(batch)]\n",
    ),
    edits=edits,
)
