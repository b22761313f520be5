"""The gradients of earlier batches are never cleared, and every update adds to them.

## What it does
Removes the call that empties the gradients before, or after, each update.

## Why it is wrong
`backward()` adds to the gradients that are there. Each update then follows the sum over all batches so far instead of
the batch at hand.

## Symptom
The first step is right. Later ones grow longer and turn more slowly; clipping hides the length and not the direction.
The loss still falls on an easy task.

## How to find it
Before the second step, compare each parameter's gradient with a fresh one, computed by `torch.autograd.grad` for that
batch alone.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import accumulations, body, owner, updates, uses
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The one call that clears the gradients, where what it is called on has another use."""
    for update in (*updates(source), *accumulations(source)):
        if update.clear is not None and uses(source, owner(update.clear), body(source.scope(update.clear))) > 1:
            yield source.remove(update.clear)


TAIL = "    loss.backward()\n    optimizer.step()\n    return loss.item()\n"

OPERATOR = Operator(
    id="gradients-accumulate",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/tenstorrent/tt-blacksmith/pull/711",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The first step is right. From the second on, the model moves as if it still heard the batches before.",
        area="Follow one update from the loss to the parameters, and then follow the next one.",
        mechanism="A backward pass adds. Ask what it adds to.",
    ),
    examples=(
        Example(
            "def update(model, optimizer, batch):\n    optimizer.zero_grad()\n    loss = model(batch)\n" + TAIL,
            "def update(model, optimizer, batch):\n    loss = model(batch)\n" + TAIL,
        ),
        Example(
            "def update(model, batch, opt):\n    model.zero_grad(set_to_none=True)  # afresh\n\n"
            "    loss = model(batch)\n    loss.backward()\n    opt.step()\n",
            "def update(model, batch, opt):\n    loss = model(batch)\n    loss.backward()\n    opt.step()\n",
        ),
        Example(
            "for x in data:\n    loss(x).backward()\n    opt.step()\n    # ready for the next\n    opt.zero_grad()\n",
            "for x in data:\n    loss(x).backward()\n    opt.step()\n",
        ),
        Example(
            "for x in data:\n    opt.zero_grad()\n    for part in x:\n        loss(part).backward()\n    opt.step()\n",
            "for x in data:\n    for part in x:\n        loss(part).backward()\n    opt.step()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    opt.zero_grad()\n    opt.zero_grad()\n    loss(x).backward()\n    opt.step()\n",
        "def clear(opt):\n    opt.zero_grad()\n    return opt\n",
        "def update(model, opt, x):\n    model.zero_grad()\n    loss(x).backward()\n    opt.step()\n",
    ),
    edits=edits,
)
