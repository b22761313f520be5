"""The parameters that a model starts with, for a seed."""

from typing import Final

from grader.comparisons.comparison import Asked, Comparison, of
from grader.sandbox.questions import AnyQuestion, Configs, Parameters, Precision, Settings
from grader.seeds import Seeds

CONFIGS: Final[tuple[Settings, ...]] = (
    {"vocab_size": 11, "block_size": 7, "n_layer": 1, "d_model": 8},
    {"vocab_size": 7, "block_size": 9, "n_layer": 3, "d_model": 12},
)


def questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each configuration, built right after seeding, and what a configuration is by default."""
    built: list[Asked] = [
        (Parameters(config=config, seed=seeds.derive("initialisation", i) % 2**31), {})
        for i, config in enumerate(CONFIGS)
    ]
    return [*built, (Configs(), {})]


def describe(question: AnyQuestion) -> str:
    """``the initial parameters of vocab_size=11, ...``."""
    if isinstance(question, Configs):
        return "the defaults of GPTConfig"
    assert isinstance(question, Parameters)
    return f"the initial parameters of {of(question.config)}"


COMPARISON: Final = Comparison(id="initialisation", questions=questions, describe=describe)
