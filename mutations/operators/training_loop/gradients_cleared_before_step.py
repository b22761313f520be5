"""The gradients are computed, and cleared again before anything has read them.

## What it does
Moves the line that clears the gradients between the backward pass and the optimizer's step.

## Why it is wrong
The optimizer finds parameters without a gradient and passes over them.

## Symptom
The loss stays where it began. The backward pass runs, the optimizer is called once for each batch, and nothing moves.

## How to find it
At the moment of the step, look at the gradient of any parameter: it is None, or zero. Then look upwards from the step
for the last line that touched it.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import move_down, move_up, updates
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Updates that clear the gradients once, before the backward pass or after the step."""
    for update in updates(source):
        if update.clear is None:
            continue
        if source.span(update.clear) < source.span(update.backward):
            yield move_down(source, update.clear, above=update.step)
        elif source.span(update.clear) > source.span(update.step):
            yield move_up(source, update.clear, above=update.step)


OPERATOR = Operator(
    id="gradients-cleared-before-step",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/lucidrains/byol-pytorch/issues/93",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The loss stays where it began, though gradients are computed and the optimizer is called.",
        area="Look at a gradient twice: right after the backward pass, and when the optimizer reads it.",
        mechanism="Every line of a correct update is there. Say aloud what each leaves for the next.",
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
            "    loss = model(batch)\n"
            "    loss.backward()\n"
            "    optimizer.zero_grad()\n"
            "    optimizer.step()\n"
            "    return loss.item()\n",
        ),
        Example(
            "for x in data:\n    loss(x).backward()\n    clip_grad_norm_(params, 1.0)\n"
            "    opt.step()\n    opt.zero_grad()\n",
            "for x in data:\n    loss(x).backward()\n    clip_grad_norm_(params, 1.0)\n"
            "    opt.zero_grad()\n    opt.step()\n",
        ),
        Example(
            "for x in data:\n    # start afresh\n    model.zero_grad()\n\n    loss(x).backward()\n    opt.step()\n",
            "for x in data:\n    loss(x).backward()\n    # start afresh\n    model.zero_grad()\n    opt.step()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    loss(x).backward()\n    opt.zero_grad()\n    opt.step()\n",
        "for x in data:\n    loss(x).backward()\n    opt.step()\n",
        "opt.zero_grad()\nfor x in data:\n    loss(x).backward()\n    opt.step()\n",
    ),
    edits=edits,
)
