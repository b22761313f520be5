"""The optimizer takes its step first, with what the batch before has left.

## What it does
Moves the optimizer's step from the end of the update to its beginning, above the line that clears the gradients.

## Why it is wrong
A step has to follow the gradient of the loss at the parameters it starts from. Here it follows the gradient of the
batch before, the first step has none to follow, and the last batch is computed in vain.

## Symptom
Training works, one batch late. After a single update not one parameter has moved.

## How to find it
Make one update of a fresh model and compare the parameters. Or record the gradients at the moment of each step, and
compare them with those of that very batch.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import move_up, updates
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Updates that begin by clearing the gradients and end with the step."""
    for update in updates(source):
        if update.clear is not None and source.span(update.clear) < source.span(update.backward):
            yield move_up(source, update.step, above=update.clear)


OPERATOR = Operator(
    id="step-takes-stale-gradients",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/juliusfrost/dreamer-pytorch/pull/66",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The loss falls, yet after a single update of a fresh model no parameter has moved.",
        area="Read the update from top to bottom, as the very first batch goes through it.",
        mechanism="At the moment the parameters move, which batch do the gradients belong to?",
    ),
    examples=(
        Example(
            "def update(model, optimizer, batch):\n"
            "    optimizer.zero_grad()\n"
            "    loss = model(batch)\n"
            "    loss.backward()\n"
            "    optimizer.step()\n"
            "    return loss.item()\n",
            "def update(model, optimizer, batch):\n"
            "    optimizer.step()\n"
            "    optimizer.zero_grad()\n"
            "    loss = model(batch)\n"
            "    loss.backward()\n"
            "    return loss.item()\n",
        ),
        Example(
            "for x in data:\n"
            "    loss = model(x)\n\n"
            "    model.zero_grad()\n"
            "    loss.backward()\n\n"
            "    # move the parameters\n"
            "    opt.step()  # with momentum\n\n"
            "    log(loss)\n",
            "for x in data:\n"
            "    loss = model(x)\n\n"
            "    # move the parameters\n"
            "    opt.step()  # with momentum\n"
            "    model.zero_grad()\n"
            "    loss.backward()\n\n"
            "    log(loss)\n",
        ),
        Example(
            "for x in data:\n"
            "    opt.zero_grad(set_to_none=True)\n"
            "    loss(x).backward()\n"
            "    opt.step()\n"
            "    schedule.step()\n",
            "for x in data:\n"
            "    opt.step()\n"
            "    opt.zero_grad(set_to_none=True)\n"
            "    loss(x).backward()\n"
            "    schedule.step()\n",
        ),
        Example(
            "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    opt.step()",
            "for x in data:\n    opt.step()\n    opt.zero_grad()\n    loss(x).backward()",
        ),
    ),
    look_alikes=(
        "for x in data:\n    loss(x).backward()\n    opt.step()\n    opt.zero_grad()\n",
        "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    if ready:\n        opt.step()\n",
        "for x in data:\n    opt.zero_grad()\n    y = model(x)\n    opt.step()\n",
    ),
    edits=edits,
)
