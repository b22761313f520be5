"""Of an optimizer's groups only the first is clipped.

## What it does
Clips the parameters of the optimizer's first group instead of those of the model.

## Why it is wrong
The limit is one for the length of the whole gradient. What is left out of it is not shortened, however long it is, and
what is in it is shortened as if the rest were not there: the step has another direction.

## Symptom
Hardly any: matrices are clipped, biases and gains are not. An optimizer with a single group behaves.

## How to find it
Set a small limit, and measure the length of all gradients together right before the optimizer steps.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.loop import STEP, accumulations, only_call, owner, updates
from mutations.source import Source

ALL = m.Call(func=m.Attribute(attr=m.Name("parameters")), args=[])


def edits(source: Source) -> Iterator[Edit]:
    """The clip of a model's parameters between a backward pass and the step of an optimizer."""
    for update in (*updates(source), *accumulations(source)):
        if update.clip is None:
            continue
        clipped = argument(only_call(update.clip), 0, "parameters")
        if clipped is not None and m.matches(clipped.value, ALL):
            call = only_call(update.step)
            optimizer = source.code(owner(update.step) if m.matches(call, STEP) else call.args[0].value)
            quote = "'" if _uses_single_quotes(source) else '"'
            yield source.replace(clipped.value, f"{optimizer}.param_groups[0][{quote}params{quote}]")


def _uses_single_quotes(source: Source) -> bool:
    strings = [cst.ensure_type(node, cst.SimpleString).quote for node in source.find(m.SimpleString())]
    return strings.count("'") > strings.count('"')


OPERATOR = Operator(
    id="clip-of-the-first-group",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/huggingface/transformers/pull/614",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="With a small limit, biases and gains still make steps as long as ever.",
        area="Measure how long everything together is, right before it is applied.",
        mechanism="A limit was meant for the whole. Look at what it is given to work on.",
    ),
    examples=(
        Example(
            "loss.backward()\nclip_grad_norm_(model.parameters(), 1.0)\nopt.step()\n",
            'loss.backward()\nclip_grad_norm_(opt.param_groups[0]["params"], 1.0)\nopt.step()\n',
        ),
        Example(
            "loss['lm'].backward()\nnn.utils.clip_grad_norm_(self.net.parameters(), c)  # all\nself.opt.step()\n",
            "loss['lm'].backward()\n"
            "nn.utils.clip_grad_norm_(self.opt.param_groups[0]['params'], c)  # all\nself.opt.step()\n",
        ),
    ),
    look_alikes=(
        "loss.backward()\nclip_grad_norm_(parameters, 1.0)\nopt.step()\n",
        "loss.backward()\nopt.step()\n",
        "clip_grad_norm_(model.parameters(), 1.0)\n",
    ),
    edits=edits,
)
