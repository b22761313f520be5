"""The model is evaluated as if it were being trained, with dropout at work.

## What it does
Removes the call that puts the model into evaluation mode.

## Why it is wrong
In training mode dropout throws away a random part of what the model has computed. That is a way to train; a measurement
must use the whole model.

## Symptom
The held-out loss is too high, and differs from one evaluation to the next. Evaluating also uses up random numbers, so
that the training after it is another one. Without dropout nothing shows.

## How to find it
With dropout above zero evaluate the same batches twice: the two results must be equal, to the last bit.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import to_eval, trains
from mutations.roles.measuring import measures
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`x.eval()` in a function that makes no updates itself, and measures something after it."""
    for line in to_eval(source):
        if not trains(source, source.scope(line)) and len(source.siblings(line)) > 1 and measures(source, line):
            yield source.remove(line)


OPERATOR = Operator(
    id="evaluated-in-training-mode",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/meta-pytorch/torchtune/pull/1049",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Measured twice on the same batches, the same parameters give two different losses.",
        area="Raise the dropout, and look at everything that happens before the first batch is measured.",
        mechanism="A module has two ways to behave. In which of them is it measured here?",
    ),
    examples=(
        Example(
            "@torch.no_grad()\n"
            "def evaluate(model, batches):\n"
            "    model.eval()\n"
            "    losses = [loss(model, batch) for batch in batches]\n"
            "    model.train()\n"
            "    return fmean(losses)\n",
            "@torch.no_grad()\n"
            "def evaluate(model, batches):\n"
            "    losses = [loss(model, batch) for batch in batches]\n"
            "    model.train()\n"
            "    return fmean(losses)\n",
        ),
        Example(
            "def accuracy(self, x, y):\n"
            "    was_training = self.net.training\n"
            "    self.net.eval()  # no dropout\n\n"
            "    right = (self.net(x) == y).mean()\n"
            "    self.net.train(was_training)\n"
            "    return right\n",
            "def accuracy(self, x, y):\n"
            "    was_training = self.net.training\n\n"
            "    right = (self.net(x) == y).mean()\n"
            "    self.net.train(was_training)\n"
            "    return right\n",
        ),
    ),
    look_alikes=(
        "def train(model, x):\n    model.eval()  # frozen norms\n    loss(model(x)).backward()\n    opt.step()\n",
        "def freeze(model):\n    model.eval()\n",
        "def load(path):\n    model = torch.load(path)\n    model.eval()\n    return model\n",
        "def sample(model, x):\n    model.eval()\n    for _ in range(9):\n        x = cat(x, model(x).argmax(-1))\n"
        "    return x\n",
        "def export(model, path):\n    model.eval()\n    torch.onnx.export(model, torch.zeros(1), path)\n",
        'value = eval("1 + 1")\nprint(value)\n',
    ),
    edits=edits,
)
