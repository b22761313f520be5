"""Whether a GPT that bugs are to be planted in runs at all, and what can be asked of it.

A first look builds, calls and trains it: the first exception says more than all checks that fail of it. Of one that
keeps no contract, but is called as an adapter.py says, it is then measured which checks and comparisons can be asked:
those that it passes beside itself, in two processes and on several seeds. What needs a function that the adapter.py
does not have, or assumes what this GPT is not, is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np

from grader.checks.catalogue import CHECKS, MEASURED_BY
from grader.checks.check import Check
from grader.comparisons.catalogue import EVERY
from grader.comparisons.comparison import Comparison
from grader.comparisons.forward import CASES
from grader.comparisons.training import CASES as TRAIN_CASES
from grader.errors import UsageError
from grader.grading.first_run import first_run
from grader.injection.observe import SUBMISSION, Observer
from grader.limits import MEASURING_QUESTION_SECONDS
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised, Trouble
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.questions import (
    ADAPTER,
    AnyQuestion,
    Decode,
    Forward,
    Loss,
    Offered,
    Offers,
    Rates,
    Settings,
    TrainSteps,
)
from grader.sandbox.wire import Tensors
from grader.seeds import Seeds

RIGHT: Final = ("forward-runs", "logits-are-finite", "future-is-hidden", "rows-stand-alone", "prefix-stands-alone")
"""What every decoder passes that is right."""
WAY_ON: Final = "docs/bring-your-own.md has what to do"
CASE: Final = CASES[0]
TRAIN_CASE: Final = TRAIN_CASES[0]
SEEDS: Final = Seeds(0, SUBMISSION)
SIZES: Final[Settings] = CASE.config
MOVED: Final = 1e-4  # far above what rounding makes, should a model compute in short floats by itself


@dataclass(frozen=True, slots=True)
class Fit:
    """What can be asked.

    Attributes:
        checks: those that the reference passes on all seeds.
        comparisons: those that it answers, alike in two processes.
        left_out: by check that cannot be asked, why.
    """

    checks: tuple[Check, ...]
    comparisons: tuple[Comparison, ...]
    left_out: Mapping[str, str]

    @property
    def families(self) -> tuple[str, ...]:
        """The families of which nothing can be asked, in the order of the checks."""
        asked = {check.family for check in self.checks}
        return tuple(dict.fromkeys(check.family for check in CHECKS if check.family not in asked))


def require_it_runs(worker_pool: WorkerPool, reference: Mapping[str, str]) -> None:
    """Complain of the first thing that does not work, before any check is asked.

    Raises:
        UsageError: a model cannot be built, called or trained.
    """
    for each in look(worker_pool, reference):
        if not each.fault:
            continue
        if ADAPTER in reference:
            raise UsageError(f"{each.what} fails: {each.fault}; {WAY_ON}")
        raise UsageError(
            f"{each.what} as the contract has it fails: {each.fault}; a GPT of your own needs an adapter.py beside its "
            f"model.py: {WAY_ON}, and `grader adapt` writes a first one"
        )


def fit(worker_pool: WorkerPool, reference: Mapping[str, str], seeds: Iterable[int]) -> Fit:
    """What can be asked of a reference with an adapter.py.

    Raises:
        UsageError: it fails what every right decoder passes.
    """
    observer = Observer(worker_pool, reference, CHECKS, seeds, EVERY, at_sizes=True)
    with observer.reference_again() as again:
        offered = offers(again)
        left_out = unmet_assumptions(CHECKS, offered.facts)
        left_out |= {id_: why for id_, why in observer.faults(again).items() if id_ not in left_out}
        comparisons = observer.answered(again)
    if wrong := [f"{check}: {left_out[check]}" for check in RIGHT if check in left_out]:
        raise UsageError(f"the reference is not right itself, or its adapter.py is not: it fails {'; '.join(wrong)}")
    if "decode" not in offered.functions:
        comparisons = tuple(each for each in comparisons if each.id != "cache-errors")
    return Fit(tuple(check for check in MEASURED_BY if check.id not in left_out), comparisons, left_out)


def unmet_assumptions(checks: Sequence[Check], facts: Mapping[str, str]) -> dict[str, str]:
    """By check that assumes what the FACTS of an adapter.py do not say, what that is."""
    known = {f"{name}: {value}" for name, value in facts.items()}
    return {
        check.id: f"it assumes {', '.join(sorted(missing))}" for check in checks if (missing := check.assumes - known)
    }


def in_one_line(fit: Fit) -> str:
    """How much can be asked, and what cannot: ``62 of 124 checks ask something of this model; none is about ...``."""
    said = f"{len(CHECKS) - len(fit.left_out)} of {len(CHECKS)} checks fit this model"
    return f"{said}; none is about {', '.join(fit.families)}" if fit.families else said


class Look(NamedTuple):
    """What was tried, in this order, and what came of it.

    Attributes:
        what: `building a model`.
        fault: why not; empty where it works.
    """

    what: str
    fault: str = ""


def look(worker_pool: WorkerPool, files: Mapping[str, str]) -> Iterator[Look]:
    """Try one thing after another, up to what all others need.

    Args:
        worker_pool: which has the adapter.py, if there is one.
    """
    with Package(worker_pool, "the reference", files, MEASURING_QUESTION_SECONDS) as package:
        if ADAPTER not in files:
            yield from _by_contract(package)
            return
        offered: list[Offered] = []
        read = _tried("building a model", lambda: offered.append(offers(package)))
        yield read
        if not offered:
            return
        if offered[0].unmatched:
            patterns = ", ".join(map(repr, offered[0].unmatched))
            yield Look("naming the parameters", f"no parameter of the model is called {patterns}")
            return
        called = _tried("calling a model", lambda: _call(package))
        yield called
        if called.fault:
            return
        yield _tried("hiding the future", lambda: _hide(package))
        functions = offered[0].functions
        for names, what, question, tensors in _more():
            if set(names) & set(functions):
                yield _tried(what, partial(package.ask, question, tensors))


def optional() -> dict[str, tuple[str, ...]]:
    """By what can be tried, the functions of an adapter.py of which it needs one."""
    return {what: names for names, what, _, _ in _more()}


def offers(package: Package) -> Offered:
    """What the adapter.py of a package has. Raises ``Trouble``."""
    answer = package.ask(Offers(config=SIZES), {})
    return msgspec.json.decode(answer["offers"].tobytes(), type=Offered)


def _by_contract(package: Package) -> Iterator[Look]:
    with package.another() as other:
        faults = first_run(package, other)
    for file in ("model.py", "train.py"):
        fault = faults.get(file.removesuffix(".py"))
        yield Look(f"running {file}", fault.reason if fault is not None else "")
    if not faults:
        yield _tried("training a model", lambda: package.ask(_steps(), TRAIN_CASE.batches(SEEDS)))


def _call(package: Package) -> None:
    """One forward pass, whose logits have the shape that they should."""
    question = Forward(config=SIZES, weights=CASE.seeded(SEEDS), precision="float32")
    logits = package.ask(question, {"tokens.0": CASE.token_array()})["logits.0"]
    expected = (*CASE.token_array().shape, CASE.vocab_size)
    if logits.shape != expected:
        raise _Odd(
            f"logits of adapter.py returned a tensor of shape {logits.shape}; expected {expected}, (B, T, V): the "
            "scores of all positions"
        )
    if not np.isfinite(logits).all():
        raise _Odd("the logits are not finite numbers")


def _hide(package: Package) -> None:
    """The last token of a row is another: the scores before it stay what they are."""
    tokens = CASE.token_array()
    other = tokens.copy()
    other[:, -1] = (tokens[:, -1] + 1) % CASE.vocab_size
    question = Forward(config=SIZES, weights=CASE.seeded(SEEDS), precision="float64")
    answer = package.ask(question, {"tokens.0": tokens, "tokens.1": other})
    moved = np.abs(answer["logits.0"] - answer["logits.1"])[:, :-1].max()
    if moved > MOVED:
        raise _Odd(f"another token at the end moves the logits before it by {moved:.2g}; expected no change")


class _Odd(Exception):
    """An answer that cannot be worked with."""


def _more() -> Iterator[tuple[tuple[str, ...], str, AnyQuestion, Tensors]]:
    """By functions of an adapter.py: what can be tried with one of them."""
    weights, tokens = CASE.seeded(SEEDS), CASE.token_array()
    decode = Decode(config=SIZES, weights=weights, parents=(-1, 0))
    yield ("decode",), "decoding with a cache", decode, {"chunk.0": tokens[:, :3], "chunk.1": tokens[:, 3:]}
    loss = Loss(config=SIZES, weights=weights, class_weight=0.0, classify=False)
    yield ("loss",), "computing a loss", loss, dict.fromkeys(("tokens", "targets", "labels"), tokens)
    yield ("step", "run"), "training a model", _steps(), TRAIN_CASE.batches(SEEDS)
    yield ("rate",), "asking for a learning rate", Rates(train=TRAIN_CASE.config, steps=(0, 1)), {}


def _steps() -> TrainSteps:
    return TrainSteps(train=TRAIN_CASE.config, width=TRAIN_CASE.width, weights=TRAIN_CASE.weights(SEEDS))


def _tried(what: str, ask: Callable[[], object]) -> Look:
    try:
        ask()
    except PackageRaised as raised:
        place = raised.stack[-1] if raised.stack else None
        where = "" if place is None else f" ({place.file}, line {place.line}: {place.source.strip()})"
        return Look(what, f"{raised.words}{where}")
    except (Trouble, _Odd) as trouble:
        return Look(what, str(trouble))
    return Look(what)
