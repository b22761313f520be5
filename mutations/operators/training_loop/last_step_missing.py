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

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.bounds import ISLICE, RANGE, bounds, moved
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`range(n)` and `islice(batches, n)` where a loop over updates is bounded, with or without `enumerate`."""
    for bound in bounds(source, RANGE | ISLICE):
        yield moved(source, bound, "- 1")


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
        "for epoch in range(epochs):\n    loss(epoch).backward()\n    opt.step()\n",
        "def run(data):\n    for x in data:\n        loss(x).backward()\n        opt.step()\n\n\n"
        "for i in range(n):\n    run(data)\n",
        "for x in data:\n    for k in range(micro):\n        loss(x[k]).backward()\n    opt.step()\n",
        UPDATE + "for k in range(eval_iters):\n    losses[k] = model(batch)\n",
        "for x in data:\n    loss(x).backward()\n    opt.step()\n",
        "for epoch in range(epochs):\n    for x in data:\n        loss(x).backward()\n        opt.step()\n",
        "for it in range(1, n):\n    loss(it).backward()\n    opt.step()\n",
    ),
    edits=edits,
)
