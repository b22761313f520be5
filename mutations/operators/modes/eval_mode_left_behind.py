"""After the first evaluation the model stays in evaluation mode, and is trained in it from then on.

## What it does
Where the mode is recorded and restored, records it after it was changed; where it is simply set back to training,
leaves that out.

## Why it is wrong
A loop that evaluates in the middle of a run expects the model back as it was. In evaluation mode dropout is off,
and what it was there for, that the model does not rely on single units, is gone.

## Symptom
None before the first evaluation. After it the training loss falls faster and the held-out loss no longer follows.
Without dropout nothing shows.

## How to find it
Compare `training` of every module before and after an evaluation, once with a model in either mode.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import move_up, owner, to_eval, to_train
from mutations.source import Source

RECORD = m.SimpleStatementLine(body=[m.Assign()])
MODE = m.Attribute(attr=m.Name("training"))


def edits(source: Source) -> Iterator[Edit]:
    """The line that records the mode right before it is changed, or the line that sets it back in the end."""
    for line in to_eval(source):
        siblings = list(source.siblings(line))
        before = siblings[: siblings.index(line)]
        if before and m.matches(before[-1], RECORD) and source.find(MODE, within=before[-1]):
            yield move_up(source, line, above=before[-1])
            continue
        scope = source.scope(line)
        for back in to_train(source):
            same = source.scope(back) is scope and owner(back).deep_equals(owner(line))
            if same and source.span(back) > source.span(line) and len(source.siblings(back)) > 1:
                yield source.remove(back)


OPERATOR = Operator(
    id="eval-mode-left-behind",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/fartashf/vsepp/issues/4",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="From the first measurement on, held-out batches no longer follow what the training loss promises.",
        area="Compare the whole state of the network right before a measurement and right after it.",
        mechanism="Something is changed for the occasion. Is what it was before still known when the occasion is over?",
    ),
    examples=(
        Example(
            "def evaluate(model, batches):\n"
            "    was_training = model.training\n"
            "    model.eval()\n"
            "    losses = [loss(model, batch) for batch in batches]\n"
            "    model.train(was_training)\n"
            "    return fmean(losses)\n",
            "def evaluate(model, batches):\n"
            "    model.eval()\n"
            "    was_training = model.training\n"
            "    losses = [loss(model, batch) for batch in batches]\n"
            "    model.train(was_training)\n"
            "    return fmean(losses)\n",
        ),
        Example(
            "def estimate_loss(net, data):\n"
            "    net.eval()\n"
            "    out = [net(x) for x in data]\n"
            "    net.train()  # go on\n"
            "    return out\n",
            "def estimate_loss(net, data):\n    net.eval()\n    out = [net(x) for x in data]\n    return out\n",
        ),
        Example(
            "def score(self, batches):\n"
            "    # each module has a mode of its own\n"
            "    modes = [m.training for m in self.modules()]\n"
            "    self.eval()\n"
            "    return run(self, batches, modes)\n",
            "def score(self, batches):\n"
            "    self.eval()\n"
            "    # each module has a mode of its own\n"
            "    modes = [m.training for m in self.modules()]\n"
            "    return run(self, batches, modes)\n",
        ),
    ),
    look_alikes=(
        "def evaluate(model, x):\n    model.eval()\n    return model(x)\n",
        "def train(model, data):\n    model.train()\n    run(model, data)\n",
        "def evaluate(model, x):\n    n = len(x)\n    model.eval()\n    return model(x) / n\n",
    ),
    edits=edits,
)
