"""After an evaluation the outermost module has its mode again, and all that is in it stays in evaluation mode.

## What it does
Where the mode of every module is recorded, records that of the whole model alone.

## Why it is wrong
Each module has a mode of its own, and `eval()` changes all of them. Where only the outermost is put back, the model
says of itself that it is in training mode while its dropout layers are not.

## Symptom
None before the first evaluation, and `model.training` is right after it. The training loss falls faster from then on,
and the held-out loss no longer follows. Without dropout nothing shows.

## How to find it
Compare `training` of every module before and after an evaluation, with some modules in either mode.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.source import Source

ALL = m.CompFor(target=m.Name(), iter=m.Call(func=m.Attribute(attr=m.Name("modules")), args=[]), ifs=[])
RECORD = m.ListComp(elt=m.Tuple(), for_in=ALL)


def edits(source: Source) -> Iterator[Edit]:
    """Lists of all modules of a model, each with its mode."""
    for node in source.find(RECORD):
        record = cst.ensure_type(node, cst.ListComp)
        each = m.Name(cst.ensure_type(record.for_in.target, cst.Name).value)
        if m.matches(record.elt, m.Tuple([m.Element(each), m.Element(m.Attribute(each, m.Name("training")))])):
            modules = cst.ensure_type(cst.ensure_type(record.for_in.iter, cst.Call).func, cst.Attribute)
            whole = source.code(modules.value)
            yield source.replace(record, f"[({whole}, {whole}.training)]")


LOOP = (
    "    model.eval()\n    losses = [loss(model, batch) for batch in batches]\n"
    "    for m, mode in modes:\n        m.training = mode\n    return fmean(losses)\n"
)

OPERATOR = Operator(
    id="mode-of-the-whole-kept-alone",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/ContinualAI/avalanche/pull/772",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="From the first measurement on, held-out batches no longer follow what the loss promises.",
        area="Compare the whole state of the network right before a measurement and right after it, part by part.",
        mechanism="A measurement changes something at many places. How many of them know what they were before?",
    ),
    examples=(
        Example(
            "def evaluate(model, batches):\n    modes = [(m, m.training) for m in model.modules()]\n" + LOOP,
            "def evaluate(model, batches):\n    modes = [(model, model.training)]\n" + LOOP,
        ),
        Example(
            "def score(self, x):\n    was = [(m, m.training) for m in self.net.modules()]  # all\n    return go(was)\n",
            "def score(self, x):\n    was = [(self.net, self.net.training)]  # all\n    return go(was)\n",
        ),
    ),
    look_alikes=(
        "names = [(m, m.name) for m in model.modules()]\n",
        "modes = [m.training for m in model.modules()]\n",
        "modes = [(m, m.training) for m in model.modules() if m is not model]\n",
    ),
    edits=edits,
)
