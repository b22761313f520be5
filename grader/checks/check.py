"""What a check is, and what it is given to work with."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import msgspec
from hypothesis.strategies import SearchStrategy

from grader.packages.package import Package, ask_both
from grader.result.record import Lane, TokenGrid
from grader.sandbox.questions import AnyQuestion, Decode, Forward, Settings
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds
from grader.sizes import Extent


class Case(Protocol):
    """One drawn case: hashable, and small enough to show."""

    @property
    def config(self) -> Settings: ...


class CheckFailed(Exception):
    """The property does not hold for this case.

    Args:
        kind: a short name for the way it fails; two failures are the same if their kinds are.
        claim: what should be true.
        seen: what was seen instead, in terms of the candidate alone.
        expected: values of the reference, for instructors only.
    """

    def __init__(
        self, kind: str, claim: str, seen: str, *, grid: TokenGrid | None = None, expected: str | None = None
    ) -> None:
        super().__init__(seen)
        self.kind = kind
        self.claim = claim
        self.seen = seen
        self.grid = grid
        self.expected = expected


@dataclass(slots=True)
class Context:
    """The packages a check may ask.

    Attributes:
        candidate: what is being judged.
        variant: the reference with the bugs left in that the candidate still has, other than this check's
            own: "must move" means "must move where ``variant`` moves".
        reference: the reference as it is.
        fresh_candidate: the candidate again, in a worker that is only ever given caches and parameters, never a prompt
            and never a label.
        variants: all known variants, for checks that accept agreement with any of them.
        lanes: how closely the candidate agreed with what it was compared to, collected by the checks.
        state: what one check remembers from case to case.
        training: whether forward passes are asked in training mode, where nothing is dropped.
    """

    candidate: Package
    variant: Package
    reference: Package
    fresh_candidate: Package
    seeds: Seeds
    variants: Callable[[], list[Package]] = field(default=list)
    lanes: set[Lane] = field(default_factory=set)
    state: dict[str, Any] = field(default_factory=dict)
    training: bool = False

    def ask(self, question: AnyQuestion, tensors: Tensors) -> Tensors:
        """The candidate's answer."""
        return self.candidate.ask(self._in_mode(question), tensors)

    def both(self, question: AnyQuestion, tensors: Tensors) -> tuple[Tensors, Tensors]:
        """The candidate's answer and the matched variant's."""
        return ask_both(self.candidate, self.variant, self._in_mode(question), tensors)

    def _in_mode(self, question: AnyQuestion) -> AnyQuestion:
        """Seeded in training mode: a model that drops what it should not is for another check to find."""
        if self.training and isinstance(question, Decode):
            return msgspec.structs.replace(question, training=True)
        if self.training and isinstance(question, Forward):
            seed = self.seeds.derive("training mode") % 2**31
            return msgspec.structs.replace(question, training=True, recording=True, seed=seed)
        return question


Property = Callable[[Any, Context], None]
"""Raises ``CheckFailed`` for a case that it does not hold for."""


@dataclass(frozen=True)
class Check:
    """A property of a candidate, made by ``check`` of the function that tells whether it holds.

    That function's docstring tells the learner what it is about: its first sentence is the title, "Why it matters" and
    "Usual causes" are its sections.

    Attributes:
        id: the function's name, with dashes. It is never given to another check.
        family: what it is about, in the word for operators of that category: its module's name, with dashes.
        cases: what hypothesis draws from.
        holds: raises ``CheckFailed`` when the property fails for a case.
        examples: how many cases to try; thorough grades try more.
        confirm: asked once more of the last case that passed, in fresh workers.
        at_size: makes a case of given sizes: asked beyond the defaults, when all drawn cases have passed.
        default: the sizes that are asked before those, where the defaults are asked too.
        in_training: whether the last case that passed is asked once more of a model in training mode.
        snippet: plain PyTorch that shows a failing case by raising.
        needs: checks without which this one's failure means nothing of its own.
        after: the id of a check of another family that it is asked right after, instead of with its own. (An id, since
            modules cannot import each other in a circle.)
        costly: asked of submissions alone. Bugs to plant are measured by the others, which takes hundreds of packages.
        assumes: what has to be so for its words to be true of a model that keeps no contract, ``activation: gelu``, and
            cannot be seen by asking. What can be seen is tried.
    """

    id: str
    family: str
    cases: SearchStrategy[Any]
    holds: Property
    examples: int
    confirm: Property | None = None
    at_size: Callable[[Extent], Any] | None = None
    default: Extent | None = None
    in_training: bool = False
    snippet: Callable[[Any], str] | None = None
    needs: "tuple[Check, ...]" = ()
    after: str | None = None
    costly: bool = False
    assumes: frozenset[str] = frozenset()

    def __call__(self, case: Any, context: Context) -> None:
        """Ask it of a case, for a check that asks the same of other cases.

        Raises:
            CheckFailed: it does not hold.
        """
        self.holds(case, context)

    @cached_property
    def _sections(self) -> dict[str, str]:
        text = inspect.getdoc(self.holds) or ""
        parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
        return {"title": parts[0].strip()} | {k: v.strip() for k, v in zip(parts[1::2], parts[2::2], strict=True)}

    @property
    def title(self) -> str:
        """The sentence the learner reads."""
        return self._sections["title"].split("\n\n")[0].replace("\n", " ")

    @property
    def why(self) -> str:
        """Why it matters."""
        return self._sections["Why it matters"].replace("\n", " ")

    @property
    def usual_causes(self) -> tuple[str, ...]:
        """What usually is behind a failure."""
        listed = re.split(r"^- ", self._sections["Usual causes"], flags=re.MULTILINE)
        return tuple(" ".join(cause.split()) for cause in listed if cause.strip())


def check(
    *,
    cases: SearchStrategy[Any],
    examples: int,
    family: str | None = None,
    confirm: Property | None = None,
    at_size: Callable[[Extent], Any] | None = None,
    default: Extent | None = None,
    in_training: bool = False,
    snippet: Callable[[Any], str] | None = None,
    needs: tuple[Check, ...] = (),
    after: str | None = None,
    costly: bool = False,
    assumes: frozenset[str] = frozenset(),
) -> Callable[[Property], Check]:
    """Make a check of the function that is decorated: ``holds(case, context)``, with the learner's text as docstring.

    Args:
        family: for the second module of a family; by default it is the name of the function's module.
    """

    def make(holds: Property) -> Check:
        return Check(
            id=holds.__name__.replace("_", "-"),
            family=family or holds.__module__.rpartition(".")[2].replace("_", "-"),
            cases=cases,
            holds=holds,
            examples=examples,
            confirm=confirm,
            at_size=at_size,
            default=default,
            in_training=in_training,
            snippet=snippet,
            needs=needs,
            after=after,
            costly=costly,
            assumes=assumes,
        )

    return make


def case_key(case: object) -> bytes:
    """A case as bytes: equal cases have equal keys."""
    return msgspec.json.encode(case)
