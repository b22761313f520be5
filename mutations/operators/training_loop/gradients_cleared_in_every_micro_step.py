"""The gradients are cleared before each part of a batch: only the last part counts.

## What it does
Moves the line that clears the gradients into the loop over the parts of a batch.

## Why it is wrong
A batch is cut into parts so that their gradients add up to that of the whole. Cleared in between, all but the last part
is computed for nothing, and the last one counts for its share of the loss only.

## Symptom
The loss falls more noisily and more slowly, as with a batch as small as one part. Time and memory look right.

## How to find it
Compare the gradient at the step with that of the whole batch in one part.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import accumulations, dedented, steps_every_few
from mutations.source import Source

FEW_LINES = 4


def edits(source: Source) -> Iterator[Edit]:
    """Loops over the parts of a batch, with the line that clears the gradients close before them."""
    for update in accumulations(source):
        loop = cst.ensure_type(update.backward, cst.For)
        if update.clear is None or source.span(update.clear) > source.span(loop):
            continue
        first, _ = source.span(loop.body.body[0])
        into = source.line_start(first)
        removed = source.remove(update.clear)
        between = source.code_between(removed.end, into)
        if between.count("\n") <= FEW_LINES:
            line = source.code_between(into, first) + source.code(update.clear) + "\n"
            yield source.replace_span(removed.start, into, between + line)
    for few in steps_every_few(source):
        if few.clear is not None and len(few.branch.body.body) > 1:
            start = source.line_start(source.span(few.clear)[0])
            end = source.line_end(source.span(few.clear)[1])
            yield source.replace_span(start, end, dedented(source, [few.clear], to=few.branch))


OPERATOR = Operator(
    id="gradients-cleared-in-every-micro-step",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/bytetriper/RAE/issues/67",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training is as noisy as if batches were much smaller than they are.",
        area="Look at the gradient at the step, and find the data that it came from.",
        mechanism="Adding up needs a beginning. Ask how many beginnings there are.",
    ),
    examples=(
        Example(
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "    opt.step()\n",
            "for batch in data:\n"
            "    for x, y in batch:\n"
            "        opt.zero_grad()\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "    opt.step()\n",
        ),
        Example(
            "for i, x in enumerate(data):\n"
            "    (loss_of(x) / accum).backward()\n"
            "    if (i + 1) % accum == 0:\n"
            "        opt.step()\n"
            "        opt.zero_grad()\n",
            "for i, x in enumerate(data):\n"
            "    (loss_of(x) / accum).backward()\n"
            "    if (i + 1) % accum == 0:\n"
            "        opt.step()\n"
            "    opt.zero_grad()\n",
        ),
        Example(
            "def update(model, optimizer, batch):\n"
            "    optimizer.zero_grad(set_to_none=True)\n"
            "    total = 0.0\n"
            "    for x in batch:\n"
            "        # one part\n"
            "        loss_of(model, x).backward()\n"
            "    optimizer.step()\n",
            "def update(model, optimizer, batch):\n"
            "    total = 0.0\n"
            "    for x in batch:\n"
            "        # one part\n"
            "        optimizer.zero_grad(set_to_none=True)\n"
            "        loss_of(model, x).backward()\n"
            "    optimizer.step()\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    opt.step()\n",
        "for x in batch:\n    opt.zero_grad()\n    loss(x).backward()\nopt.step()\n",
        "for x in batch:\n    loss(x).backward()\nopt.step()\nopt.zero_grad()\n",
    ),
    edits=edits,
)
