"""A text is continued as if the model were being trained, with dropout at work.

## What it does
Removes the call that puts the model into evaluation mode before tokens are picked.

## Why it is wrong
In training mode dropout throws away a random part of what the model has computed, anew for each token. What is picked
is what a damaged model would say.

## Symptom
Samples are worse than the held-out loss makes one expect. Even the most likely token differs from run to run. Without
dropout nothing shows.

## How to find it
With dropout above zero continue a text twice, each time with the most likely token: both must be the same.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import to_eval, trains
from mutations.roles.measuring import generates, measures
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """`x.eval()` in a function that makes no updates and measures nothing, but picks tokens after it."""
    for line in to_eval(source):
        if len(source.siblings(line)) < 2 or trains(source, source.scope(line)):
            continue
        if generates(source, line) and not measures(source, line):
            yield source.remove(line)


OPERATOR = Operator(
    id="generated-in-training-mode",
    category=Category.MODES,
    file="train.py",
    origin="https://github.com/karpathy/ng-video-lecture/issues/16",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The same prompt is continued in two ways, although nothing is drawn.",
        area="Raise the dropout, and look at everything that happens before the first token is picked.",
        mechanism="A module has two ways to behave. In which of them is it asked to speak here?",
    ),
    examples=(
        Example(
            "@torch.no_grad()\n"
            "def sample(model, x, n):\n"
            "    model.eval()\n"
            "    for _ in range(n):\n"
            "        x = torch.cat((x, model(x)[:, -1:].argmax(-1)), dim=1)\n"
            "    model.train()\n"
            "    return x\n",
            "@torch.no_grad()\n"
            "def sample(model, x, n):\n"
            "    for _ in range(n):\n"
            "        x = torch.cat((x, model(x)[:, -1:].argmax(-1)), dim=1)\n"
            "    model.train()\n"
            "    return x\n",
        ),
        Example(
            "def show(model, tokenizer, prompt):\n"
            "    model.eval()  # no dropout\n"
            "    ids = model.generate(tokenizer.encode(prompt), 50)\n"
            "    print(tokenizer.decode(ids))\n"
            "    model.train()\n",
            "def show(model, tokenizer, prompt):\n"
            "    ids = model.generate(tokenizer.encode(prompt), 50)\n"
            "    print(tokenizer.decode(ids))\n"
            "    model.train()\n",
        ),
    ),
    look_alikes=(
        "def evaluate(model, x, y):\n    model.eval()\n    loss = model(x, y)\n    print(model.generate(x))\n"
        "    return loss\n",
        "def load(path):\n    model = build(path)\n    model.eval()\n    return model\n",
        "def train(model, x):\n    model.eval()\n    model(x).backward()\n    opt.step()\n    model.generate(x)\n",
    ),
    edits=edits,
)
