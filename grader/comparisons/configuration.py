"""What a model makes of its configuration: defaults and first parameters, several heads, position schemes, dropout."""

from typing import Final

from grader.checks.strategies import ModelCase
from grader.comparisons import decoding, forward
from grader.comparisons.comparison import GRADIENTS, LOGITS, Asked, Comparison, of
from grader.comparisons.decoding import in_chunks
from grader.sandbox.questions import AnyQuestion, Configs, Forward, Gradients, Parameters, Precision, Settings
from grader.seeds import Seeds

CONFIGS: Final[tuple[Settings, ...]] = (
    {"vocab_size": 11, "block_size": 7, "n_layer": 1, "d_model": 8},
    {"vocab_size": 7, "block_size": 9, "n_layer": 3, "d_model": 12},
)


def _initialisation_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Each configuration, built right after seeding, and what a configuration is by default."""
    built: list[Asked] = [
        (Parameters(config=config, seed=seeds.derive("initialisation", i) % 2**31), {})
        for i, config in enumerate(CONFIGS)
    ]
    return [*built, (Configs(), {})]


def _describe_initialisation(question: AnyQuestion) -> str:
    """``the initial parameters of vocab_size=11, ...``."""
    if isinstance(question, Configs):
        return "the defaults of GPTConfig"
    assert isinstance(question, Parameters)
    return f"the initial parameters of {of(question.config)}"


INITIALISATION: Final = Comparison(
    id="initialisation", questions=_initialisation_questions, describe=_describe_initialisation
)


# Heads, their width, layers and lengths all differ, so that none can stand in for another.
HEAD_CASES: Final = (
    (2, ModelCase(d_model=12, vocab_size=7, n_layer=1, block_size=9, weights=1, tokens=((0, 1, 2, 3, 4, 5, 6),) * 3)),
    (4, ModelCase(d_model=12, vocab_size=17, n_layer=2, block_size=8, weights=2, tokens=((16, 2, 9, 11, 0),) * 2)),
)
CHUNKS: Final = (3, 1, 3)


def _heads_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each case, the first decoded in chunks, and the second as it is built."""
    asked: list[Asked] = [
        (
            Forward(config={**case.config, "n_head": heads}, weights=case.seeded(seeds), precision=precision),
            {"tokens.0": case.token_array()},
        )
        for heads, case in HEAD_CASES
    ]
    heads, case = HEAD_CASES[0]
    decoded = in_chunks({**case.config, "n_head": heads}, case, CHUNKS, seeds, precision)
    heads, case = HEAD_CASES[1]
    built = Parameters(config={**case.config, "n_head": heads}, seed=seeds.derive("heads") % 2**31)
    return [*asked, decoded, (built, {})]


def _describe_heads(question: AnyQuestion) -> str:
    """``one forward of vocab_size=7, ...``, or decoding, or building."""
    if isinstance(question, Parameters):
        return _describe_initialisation(question)
    return forward.describe(question) if isinstance(question, Forward) else decoding.describe(question)


HEADS: Final = Comparison(id="heads", questions=_heads_questions, describe=_describe_heads, lanes=LOGITS)


SCHEME_CASE: Final = ModelCase(
    d_model=12,
    vocab_size=17,
    n_layer=2,
    block_size=8,
    weights=1,
    tokens=((16, 2, 9, 11, 0, 5, 7), (3, 3, 8, 1, 0, 12, 4)),
)
LONG: Final = ModelCase(
    d_model=8,
    vocab_size=7,
    n_layer=1,
    block_size=96,
    weights=2,
    tokens=(tuple(t * t % 7 for t in range(96)),),
)
# Of several heads as many as are no power of two, and one; pairs of channels in each of them.
PLAIN: Final[tuple[Settings, ...]] = (
    {"position": "sinusoidal"},
    {"position": "rotary"},
    {"position": "alibi", "n_head": 3},
    {"position": "relative", "n_head": 2},
)


def _schemes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """One forward of each scheme and a long one of what turns; two decoded in chunks; what is learned of distances."""
    tokens = {"tokens.0": SCHEME_CASE.token_array()}
    weights = SCHEME_CASE.seeded(seeds)
    asked: list[Asked] = [
        (Forward(config={**SCHEME_CASE.config, **scheme}, weights=weights, precision=precision), tokens)
        for scheme in PLAIN
    ]
    long = Forward(config={**LONG.config, "position": "rotary"}, weights=LONG.seeded(seeds), precision=precision)
    asked.append((long, {"tokens.0": LONG.token_array()}))
    asked += [
        in_chunks({**SCHEME_CASE.config, **scheme}, SCHEME_CASE, CHUNKS, seeds, precision)
        for scheme in (PLAIN[1], PLAIN[3])
    ]
    learned = Gradients(config={**SCHEME_CASE.config, **PLAIN[3]}, weights=weights, precision=precision)
    return [*asked, (learned, {"tokens": SCHEME_CASE.token_array()})]


def _describe_schemes(question: AnyQuestion) -> str:
    """``one forward of vocab_size=17, ...``, decoding, or gradients."""
    if isinstance(question, Gradients):
        return f"the gradients with {of(question.config)}"
    return forward.describe(question) if isinstance(question, Forward) else decoding.describe(question)


# Gradients differ more than logits where sums are taken in another order.
SCHEMES: Final = Comparison(id="schemes", questions=_schemes_questions, describe=_describe_schemes, lanes=GRADIENTS)


DROPOUT: Final = 0.4


def _modes_questions(seeds: Seeds, precision: Precision) -> list[Asked]:
    """Cases of the forward with dropout; seeded, so that one who still drops draws the same each time."""
    return [
        (
            Forward(
                config={**case.config, "dropout": DROPOUT},
                weights=case.seeded(seeds),
                precision=precision,
                seed=seeds.derive("modes") % 2**31,
            ),
            {"tokens.0": case.token_array()},
        )
        for case in forward.CASES[:2]
    ]


MODES: Final = Comparison(id="modes", questions=_modes_questions, describe=forward.describe, lanes=LOGITS)
