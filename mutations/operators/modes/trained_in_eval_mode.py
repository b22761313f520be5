"""Training never switches the model to training mode, and takes it as it comes.

## What it does
Removes the call that puts the model into training mode before the loop.

## Why it is wrong
A model that was loaded, or evaluated, comes in evaluation mode: dropout does nothing, however it is configured. A
training function that is meant to train must say so.

## Symptom
None with a fresh model, which is born in training mode. One that has been evaluated learns its training data faster
than it should, and new data worse. Without dropout nothing shows.

## How to find it
Put a model with dropout into evaluation mode, train it for a step, and compare with one that was left in training mode.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import to_eval, to_train, trains
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`x.train()` in a function that makes updates, where nothing that it calls does the same on the way."""
    for line in to_train(source):
        scope = source.scope(line)
        evaluates = any(source.scope(other) is scope for other in to_eval(source))
        if trains(source, scope) and not evaluates and not _again(source, line) and len(source.siblings(line)) > 1:
            yield source.remove(line)


def _again(source: Source, line: cst.CSTNode) -> bool:
    """Whether the function around a line calls one of this file that also puts a module into training mode."""
    others = {source.scope(other) for other in to_train(source)} - {source.scope(line)}
    names = [m.Name(other.name.value) for other in others if isinstance(other, cst.FunctionDef)]
    return bool(names and source.find(m.Call(func=m.OneOf(*names)), within=source.scope(line)))


UPDATE = "    for x in data:\n        loss(net, x).backward()\n        opt.step()\n"

OPERATOR = Operator(
    id="trained-in-eval-mode",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/EleutherAI/bergson/pull/359",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Fresh models learn as they should. One that has been measured before learns its data by heart.",
        area="Look at what is done before the first update, and at what is taken for granted.",
        mechanism="A module has two ways to behave. Who decides in which of them it meets the first batch?",
    ),
    examples=(
        Example(
            "def fit(net, data, opt):\n    net.train()\n" + UPDATE,
            "def fit(net, data, opt):\n" + UPDATE,
        ),
        Example(
            "def fit(net, data, opt):\n    history = []\n\n    # dropout on\n    net.train()\n\n" + UPDATE,
            "def fit(net, data, opt):\n    history = []\n\n" + UPDATE,
        ),
        Example(
            "def step(self, x):\n    self.loss(x).backward()\n    self.opt.step()\n\n\n"
            "def fit(self, data):\n    self.net.train(True)  # at last\n    return [step(self, x) for x in data]\n",
            "def step(self, x):\n    self.loss(x).backward()\n    self.opt.step()\n\n\n"
            "def fit(self, data):\n    return [step(self, x) for x in data]\n",
        ),
    ),
    look_alikes=(
        "def estimate(net):\n    net.eval()\n    net.train()\n\n\n"
        "def fit(net, data, opt):\n    net.train()\n    log(estimate(net))\n" + UPDATE,
        "def estimate(net, data):\n    net.eval()\n    out = [net(x) for x in data]\n    net.train()\n    return out\n",
        "def main(trainer, n):\n    trainer.train(n)\n    print(n)\n",
        "def fit(net, data, opt):\n    train(net)\n" + UPDATE,
    ),
    edits=edits,
)
