"""The gate of a gated block is let through, and what it should gate is made the gate.

## What it does
Exchanges the two maps of the input, so that the activation is applied to the other one.

## Why it is wrong
The two maps look alike and have the same shape; which of them the activation belongs to is an agreement with the
code that made the weights. Trained from nothing the two change places; with other weights every block is wrong.

## Symptom
It trains as well as before. With the weights of a right model the text is nonsense.

## How to find it
Take the weights of a right model, silence one of the two maps, and compare what is left of the block.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.gates import exchangeable, gates
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Products of a gate and what it gates: each map is called where the other was."""
    for gate in gates(source):
        first, second = sorted(map(exchangeable, (gate.gate, gate.value)), key=source.span)
        (start, middle), (middle_end, end) = source.span(first), source.span(second)
        between = source.code_between(middle, middle_end)
        yield source.replace_span(start, end, source.code(second) + between + source.code(first))


OPERATOR = Operator(
    id="gate-and-value-swapped",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/ml-explore/mlx-lm/pull/767",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains like any other, but with weights that work elsewhere it talks nonsense.",
        area="Compare one block without attention in it with a right one, weights and all.",
        mechanism="Two maps read the same input, and only one of them is bent.",
    ),
    examples=(
        Example(
            "def forward(self, x):\n    return self.w2(F.silu(self.w1(x)) * self.w3(x))\n",
            "def forward(self, x):\n    return self.w2(F.silu(self.w3(x)) * self.w1(x))\n",
        ),
        Example(
            "def forward(self, x):\n"
            "    x = self.up_proj(x) * self.act_fn(self.gate_proj(x))\n"
            "    return self.down_proj(x)\n",
            "def forward(self, x):\n"
            "    x = self.gate_proj(x) * self.act_fn(self.up_proj(x))\n"
            "    return self.down_proj(x)\n",
        ),
        Example(
            "def forward(self, x):\n    a = self.fc1(x)\n    b = self.fc2(x)\n    return self.fc3(F.silu(a) * b)\n",
            "def forward(self, x):\n    a = self.fc1(x)\n    b = self.fc2(x)\n    return self.fc3(F.silu(b) * a)\n",
        ),
        Example(
            "def forward(self, x):\n    g, u = self.both(x).chunk(2, dim=-1)\n    return self.down(silu(g) * u)\n",
            "def forward(self, x):\n    g, u = self.both(x).chunk(2, dim=-1)\n    return self.down(silu(u) * g)\n",
        ),
    ),
    look_alikes=(
        "def forward(self, x, y):\n    return self.down(F.silu(x) * y)\n",
        "def forward(self, x):\n    h = self.up(x)\n    return self.down(F.silu(h) * h)\n",
        "def forward(self, x):\n    return self.w2(F.silu(self.w1(x)))\n",
        "def forward(self, x, y):\n    return F.silu(self.w1(x)) * self.w3(y)\n",
        "def forward(self, x):\n    return self.drop(self.w1(x)) * self.w3(x)\n",
    ),
    edits=edits,
)
