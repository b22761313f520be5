"""Parts of a block that are made to add nothing to the residual stream, so that the others can be heard alone.

A part is silent when the last map in it is zero. That takes no more than the names of parameters, which are the
contract's.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from grader.checks.agreement import closeness
from grader.checks.check import Context
from grader.checks.strategies import ModelCase
from grader.sandbox.questions import Forward
from grader.sandbox.wire import Array

Factors = Mapping[str, float]

SILENT_ATTENTION: Final[Factors] = MappingProxyType({"attn.proj.weight": 0.0, "attn.proj.bias": 0.0})
SILENT_MLP: Final[Factors] = MappingProxyType({"mlp.proj.weight": 0.0, "mlp.proj.bias": 0.0})
SILENT_BLOCKS: Final[Factors] = MappingProxyType({**SILENT_ATTENTION, **SILENT_MLP})


def heard(case: ModelCase, context: Context, factors: Factors, *, query_scale: float = 1.0) -> Forward:
    """A forward of the case's model with some of its parameters multiplied."""
    return Forward(config=case.config, weights=case.seeded(context.seeds, query_scale=query_scale, factors=factors))


def agrees(case: ModelCase, context: Context, question: Forward) -> bool:
    """Whether the candidate's logits for the case's tokens are the matched variant's, up to rounding."""
    answer, expected = context.both(question, {"tokens.0": case.token_array()})
    lane = closeness(answer["logits.0"], expected["logits.0"])
    if lane is not None:
        context.lanes.add(lane)
    return lane is not None


def logits_with(case: ModelCase, context: Context, factors: Factors) -> Array:
    """The candidate's logits for the case's tokens, with some parameters multiplied."""
    return context.ask(heard(case, context, factors), {"tokens.0": case.token_array()})["logits.0"]


def silence(*layers: str) -> str:
    """The lines of a snippet that make these layers of every block add nothing."""
    return "for block in model.blocks:\n" + _each(layers)


def _each(layers: Iterable[str]) -> str:
    return "".join(f"    for p in block.{layer}.parameters():\n        p.zero_()\n" for layer in layers)
