"""The optimizer takes its step by itself, past the scaler of the gradients.

## What it does
Calls the optimizer's step where the scaler was given the optimizer to call it.

## Why it is wrong
The loss is multiplied so that small gradients survive half precision, and now and then a gradient overflows. The scaler
looks for that when it divides the gradients, and leaves the step out. The optimizer by itself does not ask: infinite
gradients reach the parameters.

## Symptom
In full precision, where the scaler is switched off, none. In half precision the run is fine up to the first overflow,
which a large first scale brings about soon. Then all parameters are NaN.

## How to find it
Let one gradient be infinite: the parameters must stay as they are.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import SCALED_STEP, only_call, statement
from mutations.source import Source

UNSCALE = m.Call(func=m.Attribute(attr=m.Name("unscale_")))


def edits(source: Source) -> Iterator[Edit]:
    """Lines that give a scaler the optimizer whose step it is to call, where the gradients are divided before."""
    for line in source.find(statement(SCALED_STEP)):
        call = only_call(line)
        if not any(source.span(node) < source.span(line) for node in source.find(UNSCALE, within=source.scope(line))):
            continue  # without it the scaler refuses to be updated: nothing was looked at
        yield source.replace(call, f"{source.code(call.args[0])}.step()")


OPERATOR = Operator(
    id="step-past-the-scaler",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/IAHispano/Applio/pull/860",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="In full precision all is well. In half precision one bad batch ends the run.",
        area="Follow an infinite gradient from the backward pass to the parameters.",
        mechanism="Somebody knows that a gradient overflowed, and may refuse. Is it asked?",
    ),
    examples=(
        Example(
            "scaler.scale(loss).backward()\nscaler.unscale_(optimizer)\nscaler.step(optimizer)  # or not\n"
            "scaler.update()\n",
            "scaler.scale(loss).backward()\nscaler.unscale_(optimizer)\noptimizer.step()  # or not\nscaler.update()\n",
        ),
        Example(
            "if clip:\n    grad_scaler.unscale_(self.opt)\n    clip_grad_norm_(params, clip)\n"
            "grad_scaler.step(self.opt)\n",
            "if clip:\n    grad_scaler.unscale_(self.opt)\n    clip_grad_norm_(params, clip)\nself.opt.step()\n",
        ),
    ),
    look_alikes=(
        "loss.backward()\noptimizer.step()\n",
        "scaler.scale(loss).backward()\nscaler.step(optimizer)\nscaler.update()\n",
        "schedule.step(loss)\n",
    ),
    edits=edits,
)
