"""Training makes one update more than it was asked for, if there is a batch left to make it on.

## What it does
Adds one to the number of batches that the loop takes.

## Why it is wrong
The caller goes on with its source of batches afterwards: the batch that was taken too many is lost to it.
What counts steps, a schedule or a comparison of two runs, is off by one at the end.

## Symptom
None where there are just as many batches as steps. From a source that has more, or never ends, the record of a run is
one entry longer than it should be.

## How to find it
Hand over an iterator that counts, with more batches in it than there are steps to make, and see how many were taken.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.bounds import ISLICE, bounds, moved
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`islice(batches, n)` where a loop over updates is bounded by it."""
    for bound in bounds(source, ISLICE):
        yield moved(source, bound, "+ 1")


UPDATE = "def update(batch):\n    loss(batch).backward()\n    opt.step()\n\n\n"

OPERATOR = Operator(
    id="one-batch-too-many",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/neuralmagic/sparseml/pull/1108",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="From a source that never ends, more is taken than the settings ask for.",
        area="Count what is left in an iterator when a run is over.",
        mechanism="Find what bounds the loop, and read it for the smallest number that makes sense.",
    ),
    examples=(
        Example(
            UPDATE + "losses = [update(batch) for batch in islice(batches, config.steps)]\n",
            UPDATE + "losses = [update(batch) for batch in islice(batches, config.steps + 1)]\n",
        ),
        Example(
            UPDATE + "for i, b in enumerate(itertools.islice(batches, n)):\n    log(i, update(b))\n",
            UPDATE + "for i, b in enumerate(itertools.islice(batches, n + 1)):\n    log(i, update(b))\n",
        ),
    ),
    look_alikes=(
        UPDATE + "for it in range(n):\n    update(it)\n",
        UPDATE + "shown = [show(batch) for batch in islice(batches, n)]\n",
        UPDATE + "losses = [update(batch) for batch in islice(batches, 1, n)]\n",
    ),
    edits=edits,
)
