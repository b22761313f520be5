"""Evaluation builds the graph for a backward pass that never comes.

## What it does
Removes the decorator that turns gradients off while the model is measured.

## Why it is wrong
With gradients on, every activation of a forward pass is kept until its result is let go. That takes several times the
memory and more time, for nothing.

## Symptom
All numbers are as they were. A batch size that training can just hold is too large for evaluation, and the run ends
there for want of memory.

## How to find it
Look in the evaluation at whether the logits require a gradient: they must not.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import to_eval
from mutations.roles.measuring import measures
from mutations.roles.traces import functions, without_decorator
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Functions that put a model into evaluation mode to measure it, and are kept from building a graph."""
    for function in functions(source):
        if any(source.scope(line) is function and measures(source, line) for line in to_eval(source)):
            yield from without_decorator(source, function)


LOOP = (
    "    model.eval()\n    losses = [loss(model, batch) for batch in batches]\n    return torch.tensor(losses).mean()\n"
)

OPERATOR = Operator(
    id="evaluated-with-gradients-on",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/hszhao/semseg/issues/60",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The numbers are right, and a measurement takes more memory than an update does.",
        area="Compare what is kept in memory after the first half of a measurement.",
        mechanism="Somebody has to say that nothing will be learned from this. Who says so here?",
    ),
    examples=(
        Example(
            "@torch.no_grad()\ndef evaluate(model, batches):\n" + LOOP,
            "def evaluate(model, batches):\n" + LOOP,
        ),
        Example(
            "@timed\n@torch.inference_mode()\ndef evaluate(model, batches):\n" + LOOP,
            "@timed\ndef evaluate(model, batches):\n" + LOOP,
        ),
    ),
    look_alikes=(
        "def evaluate(model, batches):\n" + LOOP,
        "@torch.no_grad()\ndef scale(model):\n    model.weight.mul_(2)\n\n\nx = torch.ones(1)\n",
        "@torch.no_grad()\ndef evaluate(model, batches):\n    model.eval()\n    return [model(b) for b in batches]\n",
        "@torch.inference_mode()\ndef main(model, x):\n    model.eval()\n    print(torch.argmax(model(x), -1))\n",
    ),
    edits=edits,
)
