"""TrainConfig keeps the contract's fields and defaults.

## Why it matters
`TrainConfig()` is the run that everybody compares with. With another learning rate, or a tighter clip, it is another
run, and nothing says so.

## Usual causes
- A number was changed to try something out, and left.
- A field was renamed, or lost its default.
"""

from types import MappingProxyType
from typing import Final

from hypothesis import strategies as st

from grader.checks.check import Check, Context
from grader.checks.projection.config_defaults import NoCase, require_defaults
from grader.sandbox.questions import TrainConfigs

CONTRACT: Final = MappingProxyType(
    {
        "vocab_size": 16,
        "seq_len": 16,
        "batch_size": 16,
        "steps": 200,
        "lr": 3e-3,
        "weight_decay": 0.1,
        "grad_clip": 1.0,
        "warmup": 10,
        "class_weight": 0.0,
        "seed": 0,
    }
)


def holds(_: NoCase, context: Context) -> None:
    """The defaults as plain data. Fields beyond the contract's are free."""
    require_defaults("TrainConfig", CONTRACT, context.ask(TrainConfigs(), {}))


def snippet(_: NoCase) -> str:
    """The defaults, one by one."""
    return f"""from train import TrainConfig

for name, value in {dict(CONTRACT)!r}.items():
    assert getattr(TrainConfig(), name) == value, f"{{name}} is {{getattr(TrainConfig(), name)!r}}, not {{value!r}}"
"""


CHECK = Check(id="train-config-defaults", cases=st.builds(NoCase), holds=holds, snippet=snippet, examples=1)
