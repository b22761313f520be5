"""What has been added up so far is clipped after each part of a batch.

## What it does
Moves the clip into the loop over the parts of a batch.

## Why it is wrong
The first part is shortened in every turn, the last one once. Where the clip is tight, the gradient points where the
last parts point.

## Symptom
None while gradients are short. With a tight limit the last part of each batch counts for most.

## How to find it
With a limit below the norm, change the order of the parts: the step must stay the same.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import accumulations, move_into
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Loops over the parts of a batch that are followed by the clip, closely."""
    for update in accumulations(source):
        if update.clip is not None:
            edit = move_into(source, cst.ensure_type(update.backward, cst.For), update.clip)
            if edit is not None:
                yield edit


OPERATOR = Operator(
    id="clip-in-every-micro-step",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/huggingface/transformers/issues/1563",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With a tight limit it matters in which order the pieces of a batch are read.",
        area="Give the pieces of one batch in reverse, and compare the steps.",
        mechanism="A limit was meant for the sum. Ask when the sum is complete.",
    ),
    examples=(
        Example(
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "    norm = clip_grad_norm_(params, 1.0)\n"
            "    opt.step()\n",
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "        norm = clip_grad_norm_(params, 1.0)\n"
            "    opt.step()\n",
        ),
        Example(
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "    # no further than this\n"
            "    nn.utils.clip_grad_norm_(params, 1.0)\n"
            "\n"
            "    opt.step()\n",
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "        # no further than this\n"
            "        nn.utils.clip_grad_norm_(params, 1.0)\n"
            "\n"
            "    opt.step()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    loss(x).backward()\n    clip_grad_norm_(params, 1.0)\n    opt.step()\n",
        "for x in batch:\n    loss(x).backward()\nopt.step()\nclip_grad_norm_(params, 1.0)\n",
        "for x in batch:\n    loss(x).backward()\n    clip_grad_norm_(params, 1.0)\nopt.step()\n",
    ),
    edits=edits,
)
