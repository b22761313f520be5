"""How large a question is: the defaults of the contract, and sizes beyond them that a grade draws in secret.

Most of what is wrong shows in the smallest of models, and small cases can be read. What is wrong only in longer texts,
larger batches or deeper models does not: it is asked for at the defaults, as anybody would use the model, and past them
in every dimension, at sizes that no constant of a source text can name in advance.
"""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

THOROUGH: Final = 3  # cases beyond the defaults that a thorough grade asks of a check


class Extent(Struct, frozen=True, kw_only=True):
    """Sizes of a case; a check takes from them what it has use for.

    Attributes:
        room: positions that the model has beyond those of its tokens.
        draw: picks everything that is no size.
    """

    tokens: int
    rows: int
    layers: int
    width: int
    words: int
    classes: int = 2
    steps: int = 1
    room: int = 0
    draw: int = 0  # of the defaults alone


# GPTConfig() and a full block, in as many rows as TrainConfig() has; and TrainConfig().
MODEL: Final = Extent(tokens=32, rows=16, layers=2, width=32, words=64)
RUN: Final = Extent(tokens=16, rows=16, layers=1, width=32, words=16, steps=200)
LEAST: Final = Extent(tokens=2, rows=1, layers=1, width=4, words=3, classes=2, steps=1)
SHRUNK: Final = ("tokens", "room", "rows", "layers", "width", "words", "classes", "steps")  # in this order

# What an adapter.py may limit, by what it calls it; where positions are, a model gets two more than it has use for.
_ROOM: Final = 2
_LIMITED: Final = {"block_size": ("tokens", _ROOM), "n_layer": ("layers", 0), "d_model": ("width", 0)}
_LARGEST: Final = re.compile(r"^LARGEST *= *\{([^{}]*)\}", re.MULTILINE)
_ENTRY: Final = re.compile(r"""["'](\w+)["'] *: *(\d+)""")

# Each from the first to the second, and of a thorough grade to the third.
_BEYOND: Final = {
    "tokens": (65, 90, 160),
    "layers": (5, 5, 6),
    "width": (33, 40, 79),
    "words": (65, 131, 300),
    "classes": (5, 11, 17),
    "steps": (201, 390, 990),
}
_ROWS: Final = (17, 24, 40)
# Between the smallest cases and the defaults, round numbers among them.
_BETWEEN: Final = {
    "tokens": (9, 31),
    "rows": (4, 9),
    "layers": (3, 3),
    "width": (9, 31),
    "words": (12, 63),
    "classes": (4, 12),
    "steps": (20, 199),
}
# A batch that is long and tall at once costs more than all small cases together: its tokens are limited.
_TOKENS_IN_ALL: Final = (1500, 4000)


def extents(default: Extent | None, seed: int, *, thorough: bool) -> Iterator[Extent]:
    """The default sizes and smaller ones, if asked, and sizes beyond: larger and more often in a thorough grade."""
    random = np.random.default_rng(seed)
    if default is not None:
        yield default
        yield _between(random)
    for _ in range(THOROUGH if thorough else 1):
        yield _beyond(random, thorough=thorough)


def _beyond(random: np.random.Generator, *, thorough: bool) -> Extent:
    sizes = {name: _drawn(random, low, most if thorough else high) for name, (low, high, most) in _BEYOND.items()}
    low, high, most = _ROWS
    affordable = _TOKENS_IN_ALL[thorough] // sizes["tokens"]
    rows = _drawn(random, low, max(low, min(most if thorough else high, affordable)))
    room = sizes["tokens"] + int(random.integers(1, sizes["tokens"]))  # the text fills less than half of the block
    return Extent(rows=rows, room=room, draw=int(random.integers(1, 1 << 31)), **sizes)


def _between(random: np.random.Generator) -> Extent:
    sizes = {name: int(random.integers(low, high, endpoint=True)) for name, (low, high) in _BETWEEN.items()}
    return Extent(room=int(random.integers(sizes["tokens"])), draw=int(random.integers(1, 1 << 31)), **sizes)


def _drawn(random: np.random.Generator, low: int, high: int) -> int:
    """A size from ``low`` to ``high``, and where there is a choice none that is a round number in binary."""
    choices = [size for size in range(low, high + 1) if size % 8] or [low]
    return int(random.choice(choices))


def smaller(extent: Extent, name: str, size: int) -> Extent:
    """The same with another size."""
    return replace(extent, **{name: size})


def at_most(extent: Extent, **most: int) -> Extent:
    """The same with some of its sizes limited, where a check has no use for more."""
    return replace(extent, **{name: min(getattr(extent, name), limit) for name, limit in most.items()})


def largest(adapter: str) -> dict[str, int]:
    """The sizes of an extent beyond which a model is not to be asked, as the LARGEST of an adapter.py has them.

    Raises:
        ValueError: it limits what cannot be limited, or leaves no size at all.
    """
    written = _LARGEST.search(adapter)
    limits = {}
    for name, most in _ENTRY.findall(written[1]) if written else ():
        if name not in _LIMITED:
            raise ValueError(f"LARGEST of adapter.py names {name!r}; expected some of {', '.join(_LIMITED)}")
        size, spare = _LIMITED[name]
        limits[size] = int(most) - spare
        if name == "block_size":
            limits["room"] = _ROOM
        if limits[size] < getattr(LEAST, size):
            least = getattr(LEAST, size) + spare
            raise ValueError(f"LARGEST of adapter.py has {name}={most}; expected at least {least}")
    return limits
