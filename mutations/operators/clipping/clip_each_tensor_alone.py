"""Every parameter is clipped by its own norm, instead of all of them by their common one.

## What it does
Puts the clipping into a loop over the parameters, so that each call sees one tensor.

## Why it is wrong
The limit is meant for the gradient as a whole. Clipped one by one, the parameters change their proportions, which bends
the gradient, and n of them together may be as long as the square root of n times the limit.

## Symptom
Training goes on a little differently, and is less protected against one bad batch, the more so the more layers there
are.

## How to find it
With a limit well below the norm, measure the norm over all parameters at the step: it must be the limit. And the ratio
of any two entries must be what it was before the clip.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import only_call, unread_clips
from mutations.roles.owners import is_torchs
from mutations.source import Source

PARAMETERS = m.Call(func=m.Attribute(attr=m.Name("parameters")), args=[])


def edits(source: Source) -> Iterator[Edit]:
    """Clips of `x.parameters()` whose result is not used; the loop takes a name that the file has not."""
    for line in unread_clips(source):
        call = only_call(line)
        if (
            not call.args
            or not is_torchs(source, call)
            or not m.matches(call.args[0], m.Arg(value=PARAMETERS, keyword=None))
        ):
            continue
        free = [name for name in ("parameter", "param", "p") if not source.find(m.Name(name))]
        if free:
            start, _ = source.span(line)
            indent = source.code_between(source.line_start(start), start)
            head = f"for {free[0]} in {source.code(call.args[0])}:\n{indent}    "
            yield source.replace(line, head + source.replace_within(call, call.args[0], free[0]).after)


OPERATOR = Operator(
    id="clip-each-tensor-alone",
    category=Category.CLIPPING,
    file="train.py",
    origin="https://github.com/carpedm20/MemN2N-tensorflow/issues/19",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Where the limit is tight, the gradients together are still longer than it, by a factor that grows "
        "with the depth of the network.",
        area="Measure the length of everything the optimizer is about to use, and of its pieces.",
        mechanism="To how much does one limit apply at a time?",
    ),
    examples=(
        Example(
            "loss.backward()\nnn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n",
            "loss.backward()\n"
            "for parameter in model.parameters():\n"
            "    nn.utils.clip_grad_norm_(parameter, config.grad_clip)\n",
        ),
        Example(
            "def update(self, parameter):\n    clip_grad_norm_(self.net.parameters(), max_norm=1.0)  # in place\n",
            "def update(self, parameter):\n    for param in self.net.parameters():\n"
            "        clip_grad_norm_(param, max_norm=1.0)  # in place\n",
        ),
    ),
    look_alikes=(
        "from mine import clip_grad_norm_\n\nloss.backward()\nclip_grad_norm_(model.parameters(), 1.0)\n",
        "norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n",
        "nn.utils.clip_grad_norm_(params, 1.0)\n",
        "nn.utils.clip_grad_norm_(model.parameters(recurse=False), 1.0)\n",
    ),
    edits=edits,
)
