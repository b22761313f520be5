"""GPTConfig keeps the contract's fields and defaults.

## Why it matters
Code that was written against the contract builds models without naming every size. A default that changed
gives it another model, silently.

## Usual causes
- A size was changed to try something out, and left.
- A field was renamed, or lost its default.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hypothesis import strategies as st
from msgspec import Struct

from grader.checks.check import Check, CheckFailed, Context
from grader.sandbox.questions import Configs, Settings
from grader.sandbox.wire import Tensors

CONTRACT: Final[Mapping[str, int | float | str]] = MappingProxyType(
    {
        "vocab_size": 64,
        "block_size": 32,
        "n_layer": 2,
        "n_head": 1,
        "d_model": 32,
        "dropout": 0.0,
        "n_classes": 0,
        "position": "learned",
    }
)


class NoCase(Struct, frozen=True):
    """There is only one way to ask."""

    @property
    def config(self) -> Settings:
        """Nothing to configure."""
        return {}


def holds(_: NoCase, context: Context) -> None:
    """The defaults as plain data. Fields beyond the contract's are free."""
    require_defaults("GPTConfig", CONTRACT, context.ask(Configs(), {}))


def require_defaults(kind: str, contract: Mapping[str, int | float | str], answer: Tensors) -> None:
    """Require that a dataclass has these fields with these defaults."""
    defaults = {name: array.tobytes().decode() if array.ndim else array.item() for name, array in answer.items()}
    wrong = next((name for name, value in contract.items() if defaults.get(name) != value), None)
    if wrong is not None:
        raise CheckFailed(
            "defaults",
            f"{kind} has the fields and defaults of the contract",
            f"{wrong} is {defaults[wrong]!r}" if wrong in defaults else f"{wrong} has no default",
        )


CHECK = Check(id="config-defaults", cases=st.builds(NoCase), holds=holds, examples=1)
