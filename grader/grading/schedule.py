"""Put the checks to a submission: those of items are shared out among pairs, follow-ups whole, and asked in turn."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final, NamedTuple

from grader.checks.catalogue import BY_ID, CHECKS
from grader.checks.check import Check
from grader.exercise.model import Exercise, Item
from grader.grading.attribution import FINITE, WAIT_FOR_NUMBERS, Verdicts
from grader.grading.diagnosis import Diagnosis
from grader.grading.options import Options
from grader.grading.run_check import CheckRunner
from grader.grading.scoring import exact_id
from grader.grading.search import Draws
from grader.grading.variants import Variants
from grader.packages.package import Package
from grader.result.record import Lane, Outcome, Scope
from grader.seeds import Seeds

EXHIBITS_LOAD: Final = 4  # in checks: the first pair collects them too, which takes about as long


class WorkerPair(NamedTuple):
    """The processes that one thread works with: the reference with its variants, and the candidate."""

    variants: Variants
    candidate: Package


class Part(NamedTuple):
    """Checks of an item that one pair asks."""

    item: Item
    checks: tuple[Check, ...]


class Schedule:
    """What is asked of one submission, and what it was found to do, by item.

    Attributes:
        verdicts: of each check, before it is known what blocks it.
        lanes: which of its ways to the logits an item's checks asked.
        scopes: how far an item's checks went.
        not_finite: the item that answers for logits that are not finite, where they are not.
    """

    def __init__(
        self,
        *,
        exercise: Exercise,
        items: Sequence[Item],
        followups: Sequence[Item],
        diagnosis: Diagnosis,
        seeds: Seeds,
        options: Options,
        draws: Draws | None,
        progress: Callable[[str], None],
    ) -> None:
        self._exercise = exercise
        self._items = items
        self._followups = [item for item in followups if item.kind == "followup"]
        self._diagnosis = diagnosis
        self._seeds = seeds
        self._options = options
        self._draws = draws
        self._progress = progress
        self.verdicts: Final[Verdicts] = {item.id: {} for item in (*items, *followups)}
        self.lanes: Final[dict[str, set[Lane]]] = {item.id: set() for item in (*items, *followups)}
        self.scopes: Final[dict[str, Scope]] = {item.id: Scope() for item in (*items, *followups)}
        self.not_finite: str | None = None
        self._adding = Lock()  # two threads may add to what is found of one item

    def shares(self, pairs: int) -> list[list[Part]]:
        """What each pair asks, always the same, so that a candidate that remembers is judged alike every time."""
        shares: list[list[Part]] = [[] for _ in range(pairs)]
        loads = [EXHIBITS_LOAD, *(0 for _ in range(pairs - 1))]
        cut = [[Part(item, _checks(item)[number::pairs]) for number in range(pairs)] for item in self._items]
        whole = [[Part(item, _essential_first(item))] for item in self._followups]
        for group in (cut, whole):
            for parts in sorted(group, key=lambda parts: -len(parts[0].checks)):
                lightest_first = sorted(range(pairs), key=loads.__getitem__)
                for pair, part in zip(lightest_first, filter(_has_checks, parts), strict=False):
                    shares[pair].append(part)
                    loads[pair] += len(part.checks)
        # A broken train.py must not touch what is asked of model.py alone: that comes first. Follow-ups come last.
        return [
            sorted(share, key=lambda part: (part.item.kind == "followup", self._involves_training(part.item)))
            for share in shares
        ]

    def ask_first(self, pair: WorkerPair) -> None:
        """Whether the model gives numbers at all: without that, nothing else that it gives can be judged."""
        owner = next((item for item in self._exercise.rubric.item if FINITE in (*item.earns, *item.takes)), None)
        asked = {check for item in (*self._items, *self._followups) for check in (*item.earns, *item.takes)}
        if owner is None or not asked & WAIT_FOR_NUMBERS:
            return
        pair.candidate.scope = Scope()
        verdict, _ = self._judge(pair).ask(BY_ID[FINITE], pair.candidate, owner.id)
        if verdict.outcome is Outcome.FAILED:
            self.not_finite = owner.id
        if owner.id in self.verdicts:
            self.verdicts[owner.id][FINITE] = verdict
            self.scopes[owner.id] = pair.candidate.scope
        else:
            pair.candidate.show_again()

    def ask(self, pair: WorkerPair, parts: Sequence[Part]) -> None:
        """Ask these checks, one after another."""
        runner = self._judge(pair)
        for part in parts:
            self._ask(part, runner, pair)

    def _judge(self, pair: WorkerPair) -> CheckRunner:
        return CheckRunner(
            variants=pair.variants,
            seeds=self._seeds,
            second=pair.candidate.another(),
            fresh_candidate=pair.candidate.another(),
            bugs=self._diagnosis.bugs,
            model_bugs=self._diagnosis.model_bugs,
            titles=self._exercise.titles,
            times=self._options.times,
            explain=self._options.explain,
            draws=self._draws,
        )

    def _ask(self, part: Part, runner: CheckRunner, pair: WorkerPair) -> None:
        """Every check of a part; of a follow-up, those that tell whether it is built come first, maybe alone."""
        item = part.item
        self._progress(item.title)
        pair.candidate.scope = Scope()
        for check in part.checks:
            if check.id in self.verdicts[item.id]:
                continue  # asked before all others
            verdict, context = runner.ask(check, pair.candidate, item.id)
            self.verdicts[item.id][check.id] = verdict
            with self._adding:
                self.lanes[item.id] |= context.lanes
            if item.kind == "followup" and check.id in item.essential and verdict.outcome is not Outcome.PASSED:
                break
        with self._adding:
            self.scopes[item.id] |= pair.candidate.scope

    def conclude(self, diagnosis: Diagnosis) -> None:
        """Add, for each item that asks for it, the verdict on being identical bit for bit: twins decide on it too."""
        for item in (*self._items, *self._followups):
            if item.exact:
                self.verdicts[item.id][exact_id(item)] = diagnosis.exactness(item.id)

    def _involves_training(self, item: Item) -> bool:
        planted = (*self._exercise.key.bugs, *self._exercise.key.stubs)
        return any(edit.item == item.id and edit.file == "train.py" for edit in planted)


def _has_checks(part: Part) -> bool:
    return bool(part.checks)


def _checks(item: Item) -> tuple[Check, ...]:
    return tuple(check for check in CHECKS if check.id in item.earns or check.id in item.takes)


def _essential_first(item: Item) -> tuple[Check, ...]:
    return tuple(sorted(_checks(item), key=lambda check: check.id not in item.essential))
