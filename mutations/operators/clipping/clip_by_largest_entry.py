"""The gradient's length is taken to be its largest entry.

## What it does
Asks the clip for the infinity norm instead of the Euclidean one.

## Why it is wrong
The infinity norm of a gradient of many entries is far below its length. A limit that was chosen for the length is then
hardly ever reached.

## Symptom
The direction of every step is right, and most steps are too long. Nothing shows until gradients explode.

## How to find it
With a limit well below the norm, measure the Euclidean norm over all parameters at the step: it must be the limit.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import clips
from mutations.roles.owners import is_torchs
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Clips that do not say which norm they mean."""
    for call in clips(source):
        if is_torchs(source, call) and m.matches(call, m.Call(args=[m.Arg(star=""), m.Arg(star="")])):
            limit = call.args[1]
            yield source.replace(limit, f'{source.code(limit)}, norm_type=float("inf")')


OPERATOR = Operator(
    id="clip-by-largest-entry",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/meta-pytorch/torchrec/pull/3199",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The steps point the right way, and most of them are longer than the limit should allow.",
        area="Compare the length of the gradient that the optimizer reads with the limit.",
        mechanism="There are several ways to measure how long a vector is. Which one is meant, and which one is used?",
    ),
    examples=(
        Example(
            "nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n",
            'nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip, norm_type=float("inf"))\n',
        ),
        Example(
            "clip_grad_norm_(params, max_norm=0.5)  # in place\n",
            'clip_grad_norm_(params, max_norm=0.5, norm_type=float("inf"))  # in place\n',
        ),
        Example(
            "norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n",
            'norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, norm_type=float("inf"))\n',
        ),
    ),
    look_alikes=(
        "nn.utils.clip_grad_norm_(params, 1.0, norm_type=2)\n",
        "nn.utils.clip_grad_value_(params, 1.0)\n",
        "nn.utils.clip_grad_norm_(*arguments)\n",
    ),
    edits=edits,
)
