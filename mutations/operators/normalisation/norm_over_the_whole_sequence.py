"""A token is normed by the size of all tokens of its row.

## What it does
Takes the mean of squares over time and width, where it should be over the width alone.

## Why it is wrong
What a position is divided by then depends on positions after it: the future leaks in, past any mask, by one number a
row. Read token by token, as in generation, the same text gives other numbers.

## Symptom
The loss falls as usual, a little better than it should. What is generated is worse than the loss promises.

## How to find it
Change a later token: no logits before it may move, not even a little.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.root_mean_square import means
from mutations.source import Source

LAST = m.UnaryOperation(operator=m.Minus(), expression=m.Integer("1"))
KEPT = m.Call(args=[m.ZeroOrMore(), m.Arg(m.Name("True"), keyword=m.Name("keepdim")), m.ZeroOrMore()])


def edits(source: Source) -> Iterator[Edit]:
    """Means of squares over the last axis, which is kept."""
    for mean in means(source):
        is_function = m.matches(mean.func, m.Attribute(value=m.Name("torch")))
        axis = argument(mean, 1 if is_function else 0, "dim")
        if axis is not None and m.matches(axis.value, LAST) and m.matches(mean, KEPT):
            yield source.replace(axis.value, "(-2, -1)")


OPERATOR = Operator(
    id="norm-over-the-whole-sequence",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/bkitano/llama-from-scratch/issues/4",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="All masks are right, and yet a later token moves the logits before it, a little.",
        area="Switch attention off altogether, and see whether positions still know of each other.",
        mechanism="Ask of every mean over how many things it is taken.",
    ),
    examples=(
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        return x * torch.rsqrt(x.pow(2).mean((-2, -1), keepdim=True) + self.eps)\n",
        ),
        Example(
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        ms = torch.mean(x * x, dim=-1, keepdim=True)\n"
            "        return x / torch.sqrt(ms + 1e-5)\n",
            "class RMSNorm(nn.Module):\n"
            "    def forward(self, x):\n"
            "        ms = torch.mean(x * x, dim=(-2, -1), keepdim=True)\n"
            "        return x / torch.sqrt(ms + 1e-5)\n",
        ),
    ),
    look_alikes=(
        "loss = losses.mean(-1, keepdim=True)\n",
        "class RMSNorm(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return x * torch.rsqrt(x.pow(2).mean((1, 2), keepdim=True) + self.eps)\n",
        "class RMSNorm(nn.Module):\n    def forward(self, x):\n        return x - x.mean(-1, keepdim=True)\n",
    ),
    edits=edits,
)
