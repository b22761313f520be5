"""One of the draws that make a batch does not use the generator that was passed in.

## What it does
Leaves the generator out of one call, which then draws from the global one.

## Why it is wrong
The generator is there so that the same seed gives the same batches, whatever else draws random numbers. With one draw
from elsewhere, a batch depends on everything that happened before it.

## Symptom
The batches look right, each for itself. Two runs of one program may even agree, as long as the global generator was
seeded; a change in the model's size or in dropout changes the data too.

## How to find it
Make a batch twice, from two generators with the same seed, and draw something in between.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body, uses
from mutations.roles.randomness import draws
from mutations.roles.traces import PICKS
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Each draw of data that passes on its function's generator, where it is not the only one."""
    for draw in draws(source):
        if m.matches(draw.call, PICKS):
            continue
        args = [arg for arg in draw.call.args if arg is not draw.generator]
        if args and uses(source, draw.generator.value, body(draw.function)) > 1:
            start, end = source.span(draw.generator)
            index = draw.call.args.index(draw.generator)
            if index > 0:
                yield source.replace_span(source.span(draw.call.args[index - 1])[1], end, "")
            else:
                yield source.replace_span(start, source.span(draw.call.args[1])[0], "")


OPERATOR = Operator(
    id="batches-ignore-the-generator",
    category=Category.DETERMINISM,
    file="train.py",
    origin="https://github.com/bytedance/GRN/issues/27",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The same seed no longer gives the same data, once anything else draws random numbers too.",
        area="Make the same batch twice with something random in between, and see what differs.",
        mechanism="Random numbers come from more than one source. Trace every draw back to its own.",
    ),
    examples=(
        Example(
            "def draw(n, generator):\n"
            "    start = torch.randint(n, (4, 1), generator=generator)\n"
            "    return start + torch.rand(4, 1, generator=generator.clone_state())\n",
            "def draw(n, generator):\n"
            "    start = torch.randint(n, (4, 1))\n"
            "    return start + torch.rand(4, 1, generator=generator.clone_state())\n",
        ),
        Example(
            "def draw(g, shape):\n    x = torch.randn(shape, generator=g, device=g.device)\n    return x\n",
            "def draw(g, shape):\n    x = torch.randn(shape, device=g.device)\n    return x\n",
        ),
        Example(
            "def order(n, rng):\n    log(rng)\n    return torch.randperm(generator=rng, n=n)\n",
            "def order(n, rng):\n    log(rng)\n    return torch.randperm(n=n)\n",
        ),
    ),
    look_alikes=(
        "def draw(n, generator):\n    return torch.randint(n, (4, 1), generator=generator)\n",
        "g = torch.Generator()\nx = torch.rand(3, generator=g)\ny = torch.rand(3, generator=g)\n",
        "def draw(n):\n    g = torch.Generator()\n    return torch.randint(n, (4, 1), generator=g)\n",
    ),
    edits=edits,
)
