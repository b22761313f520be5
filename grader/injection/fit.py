"""Which checks and comparisons can be asked of a GPT that keeps no contract, but is called as an adapter.py says.

Measured: what the GPT passes beside itself, in two processes and on several seeds, can be asked. What needs a function
that the adapter.py does not have, or assumes what this GPT is not, is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grader.checks.catalogue import CHECKS, MEASURED_BY
from grader.checks.check import Check
from grader.comparisons.catalogue import EVERY
from grader.comparisons.comparison import Comparison
from grader.errors import UsageError
from grader.injection.look import look, offers
from grader.injection.observe import Observer
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.questions import ADAPTER

RIGHT: Final = ("forward-runs", "logits-are-finite", "future-is-hidden", "rows-stand-alone", "prefix-stands-alone")
"""What every decoder passes that is right."""
WAY_ON: Final = "docs/bring-your-own.md has what to do"


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
