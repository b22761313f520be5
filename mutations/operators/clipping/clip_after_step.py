"""Gradients are clipped once the optimizer has used them.

## What it does
Moves the clipping below the optimizer's step.

## Why it is wrong
The step reads the gradients at full length. What is clipped afterwards is cleared before the next batch, and never
read.

## Symptom
None while gradients are short. One bad batch then throws the model as far as if there were no clip. After the update
the gradients look neatly clipped.

## How to find it
Measure the norm of the gradients inside the step, with an optimizer that records it, and not after the update.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import accumulations, move_up, updates
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Clips right above the step."""
    for update in (*updates(source), *accumulations(source)):
        siblings = list(source.siblings(update.step))
        if update.clip is not None and siblings.index(update.step) == siblings.index(update.clip) + 1:
            yield move_up(source, update.step, above=update.clip)


OPERATOR = Operator(
    id="clip-after-step",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/VGraphRNN/VGRNN/issues/4",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="After each update the gradients are as short as they should be, yet one bad batch spoils the model.",
        area="Look at who reads the gradients, and at what moment.",
        mechanism="Read the last lines of the update and ask of each: does anything that comes later depend on it?",
    ),
    examples=(
        Example(
            "for x in data:\n"
            "    opt.zero_grad()\n"
            "    loss(x).backward()\n"
            "    nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n"
            "    opt.step()\n",
            "for x in data:\n"
            "    opt.zero_grad()\n"
            "    loss(x).backward()\n"
            "    opt.step()\n"
            "    nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n",
        ),
        Example(
            "for x in data:\n"
            "    for part in x:\n"
            "        (loss(part) / len(x)).backward()\n"
            "    norm = clip_grad_norm_(params, 1.0)\n"
            "    opt.step()\n",
            "for x in data:\n"
            "    for part in x:\n"
            "        (loss(part) / len(x)).backward()\n"
            "    opt.step()\n"
            "    norm = clip_grad_norm_(params, 1.0)\n",
        ),
        Example(
            "def update(loss, opt, params):\n"
            "    loss.backward()\n"
            "    clip_grad_norm_(params, max_norm=0.5)  # in place\n\n"
            "    opt.step()\n\n"
            "    return loss.item()\n",
            "def update(loss, opt, params):\n"
            "    loss.backward()\n"
            "    opt.step()\n"
            "    clip_grad_norm_(params, max_norm=0.5)  # in place\n\n"
            "    return loss.item()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    loss(x).backward()\n    opt.step()\n    clip_grad_norm_(params, 1.0)\n",
        "for x in data:\n    loss(x).backward()\n    clip_grad_norm_(params, 1.0)\n    if ready:\n        opt.step()\n",
        "for x in data:\n    clip_grad_norm_(params, 1.0)\n    loss(x).backward()\n    opt.step()\n",
    ),
    edits=edits,
)
