"""Evidence that is shown as pictures and tables; none of it decides a point, and any of it may be missing."""

from typing import Annotated

from grader.result.hidden import HIDDEN, Frozen

Matrix = tuple[tuple[float | None, ...], ...]  # None where a value is not finite
Shape = tuple[int, ...]


class Curve(Frozen, frozen=True, kw_only=True):
    """One training run, step by step; ``None`` where a number was not finite or is not known."""

    label: str
    losses: tuple[float | None, ...]
    accuracies: tuple[float | None, ...] = ()  # share of tokens of the step's batch that were predicted


class Divergence(Frozen, frozen=True, kw_only=True):
    """The first place where two runs differ."""

    step: int | None
    tensor: str
    element: tuple[int, ...]
    ulps: int | None  # distance in units in the last place; None when it has no meaning (NaN, shapes)
    actual: str


class TrainingExhibit(Frozen, frozen=True, kw_only=True):
    """A training run of the candidate's own model and loop, beside the same run of others."""

    candidate: Curve
    reference: Annotated[Curve | None, HIDDEN]
    variant: Annotated[Curve | None, HIDDEN]  # the reference with the remaining bugs left in
    first_divergence: Annotated[Divergence | None, HIDDEN]  # from the reference
    note: str


class InfluenceExhibit(Frozen, frozen=True, kw_only=True):
    """How strongly the token at each position moves the logits at each position.

    ``candidate[t][s]`` is max |d logits[t] / d embedding row of the token at s|. In a causal model every
    entry with ``s > t`` is exactly zero.
    """

    tokens: tuple[int, ...]
    candidate: Matrix
    reference: Annotated[Matrix | None, HIDDEN]


class FlopsExhibit(Frozen, frozen=True, kw_only=True):
    """Floating-point operations to decode one more token, by number of tokens already there."""

    lengths: tuple[int, ...]
    cached: tuple[int, ...]
    full: tuple[int, ...]


class CacheExhibit(Frozen, frozen=True, kw_only=True):
    """Numbers that the cache holds, by number of tokens read."""

    lengths: tuple[int, ...]
    layers: tuple[tuple[int, ...], ...]  # one row for each layer: keys and values, elements
    expected: tuple[int, ...]  # for one layer: a key and a value of the model's width for each token
    element_bytes: int


class UlpExhibit(Frozen, frozen=True, kw_only=True):
    """How far the candidate's float32 logits are from the reference's, in units in the last place (ULP).

    ``counts[0]`` logits are the same bit for bit; ``counts[k]`` are at least 2^(k-1) and less than 2^k ULP off.
    """

    forwards: int
    counts: tuple[int, ...]
    largest: int | None  # ULP
    incomparable: int  # logits that are not finite on one side, or have no counterpart: shapes differ


class ParameterRow(Frozen, frozen=True, kw_only=True):
    """One parameter of the model."""

    name: str
    shape: Shape | None  # None where the candidate has no such parameter
    expected: Shape | None  # None where the contract has none


class ParameterExhibit(Frozen, frozen=True, kw_only=True):
    """The model's parameters beside those of the contract."""

    config: dict[str, int | float | str]
    rows: tuple[ParameterRow, ...]
    left_out: int = 0  # rows, where there are too many
    same_start: Annotated[tuple[bool, ...] | None, HIDDEN] = None  # by row: bits as in the reference


class ObjectivesRun(Frozen, frozen=True, kw_only=True):
    """A run on two losses, measured before some of its steps; ``None`` where a number was not finite.

    The norms are those of the gradients on the parameters that both losses reach, each of its loss as it is;
    ``weights`` say how much the class loss counts beside the language model's.
    """

    label: str
    lm_norms: tuple[float | None, ...]
    class_norms: tuple[float | None, ...]
    weights: tuple[float | None, ...]
    cosines: tuple[float | None, ...]  # between the two gradients
    lm_losses: tuple[float | None, ...]
    accuracies: tuple[float | None, ...]  # share of the step's batch whose class was predicted


class WeightingExhibit(Frozen, frozen=True, kw_only=True):
    """The candidate's model on two losses, with a constant weight and balanced by the better of its own ways."""

    steps: tuple[int, ...]  # those measured
    constant: ObjectivesRun
    balanced: ObjectivesRun


class Exhibits(Frozen, frozen=True, kw_only=True):
    """All of it; None for what could not be made."""

    influence: InfluenceExhibit | None = None
    training: TrainingExhibit | None = None
    flops: FlopsExhibit | None = None
    cache: CacheExhibit | None = None
    parameters: ParameterExhibit | None = None
    ulps: Annotated[UlpExhibit | None, HIDDEN] = None
    weighting: WeightingExhibit | None = None
