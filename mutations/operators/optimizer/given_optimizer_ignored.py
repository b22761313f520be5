"""The training function makes an optimizer of its own, whatever it was given.

## What it does
Removes the question whether an optimizer was passed in, so that a new one always takes its place.

## Why it is wrong
An optimizer that is passed in has a kind, settings and a state. All of it is lost, without a word: a run
that is resumed starts again with empty moments.

## Symptom
None in a run from the start with default settings. A resumed run jumps; a change to the optimizer changes nothing.

## How to find it
Pass an optimizer with a learning rate of zero, or one that counts its steps, and see whether it is used.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.randomness import parameters
from mutations.source import Source

MAKES_OPTIMIZER = m.MatchRegex(r"(?i).*optim.*|AdamW?|SGD|Lion")


def edits(source: Source) -> Iterator[Edit]:
    """`if x is None: x = make_optimizer(...)`, where x is a parameter."""
    made = m.Call(func=m.Name(MAKES_OPTIMIZER) | m.Attribute(attr=m.Name(MAKES_OPTIMIZER)))
    for node in source.find(m.If(orelse=None)):
        question, scope = cst.ensure_type(node, cst.If), source.scope(node)
        if not isinstance(scope, cst.FunctionDef) or len(question.body.body) != 1:
            continue
        for name in parameters(scope):
            absent = m.Comparison(m.Name(name), [m.ComparisonTarget(m.Is(), m.Name("None"))])
            line = question.body.body[0]
            assigned = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name(name))], value=made)])
            if m.matches(question.test, absent) and m.matches(line, assigned):
                yield source.replace(question, source.code(line))


OPERATOR = Operator(
    id="given-optimizer-ignored",
    category=Category.OPTIMIZER,
    file="train.py",
    origin="https://github.com/Hironsan/anago/issues/45",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Runs from the start are right. A resumed one behaves as though it had never run before.",
        area="Look at what the training function does with each thing that its caller hands over.",
        mechanism="Follow each argument of that function from the signature to where the code first reads it.",
    ),
    examples=(
        Example(
            "def train(model, config, optimizer=None):\n"
            "    if optimizer is None:\n"
            "        optimizer = make_optimizer(model, config)\n"
            "    return run(model, optimizer)\n",
            "def train(model, config, optimizer=None):\n"
            "    optimizer = make_optimizer(model, config)\n"
            "    return run(model, optimizer)\n",
        ),
        Example(
            "def fit(net, *, opt=None):\n"
            "    if opt is None:\n"
            "        opt = torch.optim.AdamW(net.parameters(), lr=1e-3)  # the usual\n"
            "    opt.step()\n",
            "def fit(net, *, opt=None):\n"
            "    opt = torch.optim.AdamW(net.parameters(), lr=1e-3)  # the usual\n"
            "    opt.step()\n",
        ),
    ),
    look_alikes=(
        "def train(model, batches=None):\n    if batches is None:\n        batches = make_batches()\n",
        "optimizer = None\nif optimizer is None:\n    optimizer = make_optimizer(model)\n",
        "def train(model, o=None):\n    if o is None:\n        log()\n        o = make_optimizer(model)\n",
    ),
    edits=edits,
)
