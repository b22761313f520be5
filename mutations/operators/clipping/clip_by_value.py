"""Each entry of the gradient is cut off by itself, instead of the whole being shortened.

## What it does
Calls the clip by value with the limit that was meant for the norm.

## Why it is wrong
Cutting entries bends the gradient: large ones are cut and small ones stay. And a limit that is tight for a norm over
all parameters is wide for a single entry, so that in most steps nothing is clipped at all.

## Symptom
Training is as stable as without a clip until gradients explode. With a very small limit every entry becomes about as
large as every other.

## How to find it
With a limit well below the norm, compare the gradient at the step with the unclipped one: they must be parallel, and
the norm must be the limit.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import only_call, unread_clips
from mutations.source import Source

LIMIT = m.Arg(keyword=None) | m.Arg(keyword=m.Name("max_norm"))


def edits(source: Source) -> Iterator[Edit]:
    """Clips whose result, the norm, is not used, and whose kind of norm is the usual one."""
    for line in unread_clips(source):
        call = only_call(line)
        if not m.matches(call, m.Call(func=m.Attribute(), args=[m.Arg(keyword=None, star=""), LIMIT])):
            continue
        limit = call.args[1]
        (line_start, _), (call_start, _) = source.span(line), source.span(call)
        start, end = source.span(cst.ensure_type(call.func, cst.Attribute).attr)
        limit_start, limit_end = source.span(limit)
        value = source.code(limit.value) if limit.keyword is None else f"clip_value={source.code(limit.value)}"
        clipped = f"clip_grad_value_{source.code_between(end, limit_start)}{value}"
        if line_start < call_start:  # the name of a norm goes: this function returns none
            start, clipped = line_start, source.code_between(call_start, start) + clipped
        yield source.replace_span(start, limit_end, clipped)


OPERATOR = Operator(
    id="clip-by-value",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/Happy-Algorithms-League/hal-cgp/pull/210",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Long gradients reach the optimizer longer than the limit allows, and pointing another way.",
        area="Compare a gradient before and after it was limited: its length, and its direction.",
        mechanism="What is it that must not exceed the limit: the whole, or each of its parts?",
    ),
    examples=(
        Example(
            "loss.backward()\nnn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n",
            "loss.backward()\nnn.utils.clip_grad_value_(model.parameters(), config.grad_clip)\n",
        ),
        Example(
            "torch.nn.utils.clip_grad_norm_(params, max_norm=0.5)  # in place\n",
            "torch.nn.utils.clip_grad_value_(params, clip_value=0.5)  # in place\n",
        ),
        Example(
            "def f(loss, params):\n    loss.backward()\n    norm = nn.utils.clip_grad_norm_(params, 1.0)\n    step()\n",
            "def f(loss, params):\n    loss.backward()\n    nn.utils.clip_grad_value_(params, 1.0)\n    step()\n",
        ),
    ),
    look_alikes=(
        "def f(params):\n    norm = nn.utils.clip_grad_norm_(params, 1.0)\n    print(norm)\n",
        "norm = nn.utils.clip_grad_norm_(params, 1.0)\n",
        "nn.utils.clip_grad_norm_(params, 1.0, norm_type=1)\n",
        "clip_grad_norm_(params, 1.0)\n",
    ),
    edits=edits,
)
