"""Training stops one update before the end.

## What it does
Takes one off the number of updates where the loop is bounded.

## Why it is wrong
The last batch is left unused, and everything that counts steps, a schedule, a log or a comparison of two runs, is
off by one at the end.

## Symptom
Hardly any: the curve looks as ever and is one point shorter. With a single step to make, nothing is trained at all.

## How to find it
Ask for one, two and three steps and count the updates. Small numbers show at once what two hundred hide.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import trains
from mutations.source import Source

BOUNDED = m.Call(func=m.Name("range"), args=[m.Arg(keyword=None)]) | m.Call(
    func=m.Name("islice") | m.Attribute(attr=m.Name("islice")), args=[m.Arg(), m.Arg(keyword=None)]
)

USUAL_LINE = 88


def edits(source: Source) -> Iterator[Edit]:
    """`range(n)` and `islice(batches, n)` where a loop over updates is bounded, with or without `enumerate`."""
    for node in source.find(m.For() | m.ListComp() | m.GeneratorExp()):
        repeated: cst.CSTNode
        if isinstance(node, cst.For):
            repeated, iterated = node.body, node.iter
        elif isinstance(node, cst.ListComp | cst.GeneratorExp):
            repeated, iterated = node.elt, node.for_in.iter
        else:
            continue
        if not trains(source, repeated):
            continue
        for found in source.find(BOUNDED, within=iterated):
            bound = cst.ensure_type(found, cst.Call).args[-1].value
            if m.matches(bound, m.Name() | m.Attribute()):
                yield _one_less(source, node, bound)


def _one_less(source: Source, loop: cst.CSTNode, bound: cst.BaseExpression) -> Edit:
    """The bound less one; a comprehension that no longer fits its line is broken before its `for`."""
    edit = source.replace(bound, f"{source.code(bound)} - 1")
    start, end = source.line_start(edit.start), source.line_end(edit.end)
    longest = max(USUAL_LINE, *map(len, source.module.code.splitlines()))
    line = source.code_between(start, end)
    if not isinstance(loop, cst.ListComp | cst.GeneratorExp) or len(line.rstrip()) + len(" - 1") <= longest:
        return edit
    indent = line[: len(line) - len(line.lstrip())]
    clause, _ = source.span(loop.for_in)
    after = f"\n{indent}{source.code_between(clause, edit.start).lstrip()}{edit.after}"
    return source.replace_span(clause, edit.end, after)


UPDATE = "def update(batch):\n    loss(batch).backward()\n    opt.step()\n\n\n"

OPERATOR = Operator(
    id="last-step-missing",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/verl-project/verl/issues/481",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Everything falls as it should, and the record of the run is shorter than it was asked to be.",
        area="Count: ask for two updates, and see how many batches were used.",
        mechanism="Find what bounds the loop, and read it for the smallest number that makes sense.",
    ),
    examples=(
        Example(
            "for it in range(max_iters):\n    loss(next(data)).backward()\n    opt.step()\n",
            "for it in range(max_iters - 1):\n    loss(next(data)).backward()\n    opt.step()\n",
        ),
        Example(
            UPDATE + "losses = [update(batch) for batch in islice(batches, config.steps)]\n",
            UPDATE + "losses = [update(batch) for batch in islice(batches, config.steps - 1)]\n",
        ),
        Example(
            UPDATE + "for i, b in enumerate(itertools.islice(batches, n)):\n    log(i, update(b))\n",
            UPDATE + "for i, b in enumerate(itertools.islice(batches, n - 1)):\n    log(i, update(b))\n",
        ),
        Example(
            UPDATE + "losses = [\n"
            "    (batch.name, update(batch), time.perf_counter()) for batch in islice(all_batches, n)\n"
            "]\n",
            UPDATE + "losses = [\n"
            "    (batch.name, update(batch), time.perf_counter())\n"
            "    for batch in islice(all_batches, n - 1)\n"
            "]\n",
        ),
    ),
    look_alikes=(
        "for x in data:\n    for k in range(micro):\n        loss(x[k]).backward()\n    opt.step()\n",
        UPDATE + "for k in range(eval_iters):\n    losses[k] = model(batch)\n",
        "for x in data:\n    loss(x).backward()\n    opt.step()\n",
        "for it in range(1, n):\n    loss(it).backward()\n    opt.step()\n",
    ),
    edits=edits,
)
