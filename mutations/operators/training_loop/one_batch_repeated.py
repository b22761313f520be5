"""Every update is made on the same batch: it is drawn once, and the list repeats it.

## What it does
Turns the drawing of a batch for each step into one drawing, repeated by multiplying a list.

## Why it is wrong
`[f()] * n` calls `f` once and holds the one result n times. The model sees a single batch, learns it by heart, and has
met nothing else.

## Symptom
The training loss falls fast, and too far. On other batches the model is as bad as one that guesses, or worse.

## How to find it
Compare two batches of one run; they must differ. Or put the loss on batches that were not trained on beside the
training loss.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.loop import trains
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Comprehensions in a training function that make the same call as often as `range` says."""
    for node in source.find(m.Assign(value=m.GeneratorExp() | m.ListComp())):
        made = cst.ensure_type(node, cst.Assign).value
        if not isinstance(made, cst.GeneratorExp | cst.ListComp) or not trains(source, source.scope(node)):
            continue
        loop = made.for_in
        repeated = (
            m.matches(loop.iter, m.Call(func=m.Name("range"), args=[m.Arg()]))
            and not loop.ifs
            and loop.inner_for_in is None
            and not source.find(m.Name(cst.ensure_type(loop.target, cst.Name).value), within=made.elt)
        )
        if repeated and isinstance(made.elt, cst.Call):
            times = argument(cst.ensure_type(loop.iter, cst.Call), 0, "stop")
            if times is not None:
                start, end = source.span(made)
                if isinstance(made, cst.GeneratorExp):
                    start, end = start - 1, end + 1
                yield source.replace_span(start, end, f"[{source.code(made.elt)}] * {source.code(times.value)}")


UPDATE = "def update(batch):\n    loss(batch).backward()\n    opt.step()\n\n\n"
LOOP = "    for batch in batches:\n        update(batch)\n"

OPERATOR = Operator(
    id="one-batch-repeated",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/leohsuofnthu/Pytorch-IterativeFCN/issues/7",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The training loss falls lower than the data allows; batches that were held out tell another story.",
        area="Look at what the model is trained on, when it is given no data.",
        mechanism="Count how often something is drawn at random, not how often it is used.",
    ),
    examples=(
        Example(
            UPDATE + "def train(g, config):\n    batches = (draw(g) for _ in range(config.steps))\n" + LOOP,
            UPDATE + "def train(g, config):\n    batches = [draw(g)] * config.steps\n" + LOOP,
        ),
        Example(
            UPDATE + "def train(n):\n    batches = [draw(size=16) for _ in range(n)]  # all of them\n" + LOOP,
            UPDATE + "def train(n):\n    batches = [draw(size=16)] * n  # all of them\n" + LOOP,
        ),
    ),
    look_alikes=(
        UPDATE + "def train(n):\n    batches = [draw(i) for i in range(n)]\n" + LOOP,
        UPDATE + "def main(n):\n    held_out = [draw(g) for _ in range(n)]\n    return held_out\n",
        UPDATE + "def train(n):\n    batches = [draw(g) for _ in range(n) if ready()]\n" + LOOP,
    ),
    edits=edits,
)
