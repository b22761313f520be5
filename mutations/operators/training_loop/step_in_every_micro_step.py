"""The optimizer takes its step after each part of a batch, and not after all of them.

## What it does
Moves what follows the loop over the parts of a batch, down to the step, into that loop.

## Why it is wrong
One large batch becomes several updates, each with what has been added up so far: the first part counts in all of them,
the last part in one. The schedule knows of one update, and Adam's moments count each part as a batch.

## Symptom
The loss falls faster at first, and less evenly. How it falls depends on into how many parts a batch is cut.

## How to find it
Count the steps of the optimizer in one update: one, whatever the number of parts.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import FEW_LINES, STEP, accumulations, body, dedented, move_into, statement, steps_every_few
from mutations.source import Source

UPDATE = statement(m.Call(func=m.Attribute(attr=m.Name("update")), args=[]))


def edits(source: Source) -> Iterator[Edit]:
    """Loops over the parts of a batch that are followed by the step, closely; steps that wait for the last part."""
    for update in accumulations(source):
        last = _last_of_the_step(source, update.step)
        edit = None if last is None else move_into(source, cst.ensure_type(update.backward, cst.For), last)
        if edit is not None:
            yield edit
    for few in steps_every_few(source):
        lines = few.branch.body.body
        start, end = source.line_start(source.span(few.branch)[0]), source.block_end(*source.span(few.branch))
        is_short = source.code_between(start, end).count("\n") <= FEW_LINES + 1
        if is_short and _is_read_elsewhere(source, few.branch):
            yield source.replace_span(start, end, dedented(source, lines, to=few.branch))


def _is_read_elsewhere(source: Source, branch: cst.If) -> bool:
    """Whether each name in a condition has another reader in its function than the condition."""
    region = body(source.scope(branch))
    targets = [cst.ensure_type(loop, cst.For).target for loop in source.find(m.For(), within=region)]
    labels = [source.span(node) for node in (branch.test, *targets)]

    def is_read(name: cst.CSTNode) -> bool:
        same = source.find(m.Name(cst.ensure_type(name, cst.Name).value), within=region)
        places = [source.span(each)[0] for each in same]
        return any(not any(start <= place < end for start, end in labels) for place in places)

    return all(is_read(name) for name in source.find(m.Name(), within=branch.test))


def _last_of_the_step(source: Source, step: cst.CSTNode) -> cst.CSTNode | None:
    """The step; where it is a scaler's, the update of the scaler below it, without which it steps only once."""
    if m.matches(step, statement(STEP)):
        return step
    siblings = list(source.siblings(step))
    below = siblings[siblings.index(step) + 1 :][:1]
    return below[0] if below and m.matches(below[0], UPDATE) else None


OPERATOR = Operator(
    id="step-in-every-micro-step",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/EleutherAI/gpt-neox/issues/405",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The same data in smaller pieces gives another run.",
        area="Count who is called how often in one update.",
        mechanism="Some things are to happen for each piece, and some once for all of them.",
    ),
    examples=(
        Example(
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "    opt.step()\n"
            "    rates.append(rate)\n",
            "for batch in data:\n"
            "    opt.zero_grad()\n"
            "    for x, y in batch:\n"
            "        loss = f(x, y) / len(batch)\n"
            "        loss.backward()\n"
            "        opt.step()\n"
            "    rates.append(rate)\n",
        ),
        Example(
            "for x in batch:\n"
            "    scaler.scale(loss_of(x)).backward()\n"
            "# once for all\n"
            "norm = clip_grad_norm_(params, 1.0)\n"
            "scaler.step(opt)\n"
            "scaler.update()\n",
            "for x in batch:\n"
            "    scaler.scale(loss_of(x)).backward()\n"
            "    # once for all\n"
            "    norm = clip_grad_norm_(params, 1.0)\n"
            "    scaler.step(opt)\n"
            "    scaler.update()\n",
        ),
        Example(
            "for i, x in enumerate(data):\n"
            "    (loss_of(x) / accum).backward()\n"
            "    log(i)\n"
            "    if (i + 1) % accum == 0:\n"
            "        # once for all\n"
            "        opt.step()\n"
            "        opt.zero_grad()\n",
            "for i, x in enumerate(data):\n"
            "    (loss_of(x) / accum).backward()\n"
            "    log(i)\n"
            "    # once for all\n"
            "    opt.step()\n"
            "    opt.zero_grad()\n",
        ),
    ),
    look_alikes=(
        "for i, x in enumerate(batch):\n    loss(x).backward()\n    if (i + 1) % accum == 0:\n        opt.step()\n",
        "for x in data:\n    opt.zero_grad()\n    loss(x).backward()\n    opt.step()\n",
        "for x in batch:\n    loss(x).backward()\n    opt.step()\nopt.step()\n",
        "for x in batch:\n    total += loss(x)\ntotal.backward()\nopt.step()\n",
    ),
    edits=edits,
)
