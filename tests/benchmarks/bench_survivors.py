"""Mutants of the reference by mutmut's operators: how many lose points, and how many of those on the right item.

    python tests/benchmarks/bench_survivors.py [--others PYTHON] [--sample N] [--seed N] [--followups] [--equivalents]
        [--jobs N] [--results FILE]

PYTHON is an interpreter that has mutmut 3; nothing is installed here, and without it nothing is measured. One is made
by ``python3 -m venv .venv-others && .venv-others/bin/python -m pip install 'mutmut>=3'``.

Every mutant is graded as a submission would be, by the items alone, and all by the same questions. What is counted:

- Mutants of what only a follow-up asks are left out, and with --followups are graded by the items and that follow-up.
  What an item and a follow-up share is asked for the follow-up as well where the item takes nothing.
- ``equivalent_mutants.toml`` lists those that differ in nothing that the contract promises, each with a reason. They
  are not graded; with --equivalents they are, and none may lose anything. An entry for a mutant that is no more made,
  since what stands there is another code now, is said to be stale.
- places.py says which items a mutant may be charged to. An item is charged if it has lost points by a failure of its
  own; one that lost them because a check waits for another item is not. A mutant is on the right item if something is
  charged that may be, and nothing else is; with three exceptions. A module that cannot be imported is charged to all
  that need it. A forward pass that does not run is charged to the item that asks it to run. One that no known bug
  explains, and that no check of a property sees, costs all of its items their points for exactness: nothing tells
  them apart. How many are seen by exactness alone is counted.

Where --results names a file, each result is added to it as a line of JSON, and what is there already of the same
grader, reference and questions is not graded again.
"""

import argparse
import json
import random
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from textwrap import indent

from foreign_mutants import Mutant, Mutants, NoMutants, make_mutants, mutmut_version
from places import TRUNK, items_of

from grader.api import Grader
from grader.exercise.model import Exercise, builtin_exercise
from grader.files.digest import digest, grader_digest
from grader.grading.attribution import RUNS
from grader.grading.scoring import FAILURES
from grader.result.record import FollowUp, ItemResult, Outcome, Result

EQUIVALENT = Path(__file__).resolve().parent / "equivalent_mutants.toml"
KILLED_GOAL, RIGHT_GOAL = 0.99, 0.95
QUESTIONS = 1  # the seed of all questions
RUNS_ITEM = "projection"  # what asks that the forward pass runs
FORWARD_ITEMS = frozenset(TRUNK.split())


@dataclass(frozen=True)
class Seen:
    """What a grade made of a mutant.

    Attributes:
        lost: points that are not there, by item and follow-up.
        charged: those that lost them by failures of their own, and the checks that failed.
        unloaded: files that could not be imported.
        unjudged: items that the grader could not judge.
    """

    lost: dict[str, float]
    charged: dict[str, list[str]]
    unloaded: list[str]
    unjudged: list[str]


@dataclass(frozen=True)
class Case:
    """A mutant, and what it may be charged to."""

    mutant: Mutant
    items: frozenset[str]


@dataclass(frozen=True)
class Sorted:
    """Cases by what came of them."""

    right: list[Case]
    elsewhere: list[Case]
    survived: list[Case]
    unjudged: list[Case]
    exactness: list[Case]  # those of the first that no other check has seen

    @property
    def killed(self) -> int:
        """How many lost something."""
        return len(self.right) + len(self.elsewhere)


def main(options: argparse.Namespace) -> None:
    """Make mutants, grade them, and print what came of them, or why there are none."""
    try:
        version = mutmut_version(options.others)
        exercise = builtin_exercise()
        made = make_mutants(options.others, exercise.reference)
    except NoMutants as reason:
        print(f"mutmut: not measured: {reason}")
        return
    equivalent = read_equivalent(EQUIVALENT)
    cases = [Case(mutant, items_of(mutant.file, mutant.place, mutant.changed)) for mutant in made.all]
    asked = [case for case in cases if case.items & _scope(exercise, followups=options.followups)]
    chosen = sample(asked, options.sample, options.seed)
    known = [case for case in chosen if case.mutant.id in equivalent]
    graded = [case for case in chosen if case.mutant.id not in equivalent or options.equivalents]
    print_made(version, made, cases, asked, chosen, known)
    stale = sorted(equivalent.keys() - {mutant.id for mutant in made.all})
    for name in stale:
        print(f"stale: {EQUIVALENT.name} lists {name}, which is not made any more: {equivalent[name]}")
    results = grade_all(graded, exercise, jobs=options.jobs, kept=options.results)
    found = sort_out((case for case in graded if case.mutant.id not in equivalent), results)
    print_found(found, results)
    for case in known:
        if options.equivalents and results[case.mutant.id].lost:
            print_case("listed as equivalent, and loses points", case, results)


def read_equivalent(file: Path) -> dict[str, str]:
    """By mutant that changes nothing the contract promises, why that is so."""
    reasons = tomllib.loads(file.read_text(encoding="utf-8"))["equivalent"]
    found: dict[str, str] = {}
    for entry in reasons:
        for name in entry["mutants"]:
            if name in found:
                raise ValueError(f"{file.name} lists {name} twice")
            found[name] = entry["why"]
    return found


def sample(cases: Sequence[Case], size: int, seed: int) -> list[Case]:
    """So many of them in their own order, and all for a size of 0; for one seed, a larger sample has a smaller one."""
    drawn = list(range(len(cases)))
    random.Random(seed).shuffle(drawn)
    return [cases[number] for number in sorted(drawn[: size or None])]


def _scope(exercise: Exercise, *, followups: bool) -> frozenset[str]:
    return frozenset(exercise.items) | (frozenset(exercise.followups) if followups else frozenset())


def grade_all(cases: Sequence[Case], exercise: Exercise, *, jobs: int, kept: Path | None) -> dict[str, Seen]:
    """What came of each mutant, by its id."""
    stamp = digest(
        {"grader": grader_digest().encode(), "exercise": exercise.sha256.encode(), "questions": bytes([QUESTIONS])}
    )[:16]
    results = read_kept(kept, stamp, cases)
    waiting = [case for case in cases if case.mutant.id not in results]
    if not waiting:
        return results
    writing = threading.Lock()
    with ExitStack() as stack:
        free: SimpleQueue[Grader] = SimpleQueue()
        for _ in range(jobs):
            free.put(stack.enter_context(Grader(exercise, shared=True)))
        pool = stack.enter_context(ThreadPoolExecutor(jobs))

        def work(case: Case) -> None:
            grader = free.get()
            try:
                seen = grade(case, exercise, grader)
            finally:
                free.put(grader)
            with writing:
                results[case.mutant.id] = seen
                _keep(kept, stamp, case, seen)
                _progress(cases, results)

        probe = free.get()
        _require_full_marks(probe, exercise)
        free.put(probe)
        for done in [pool.submit(work, case) for case in waiting]:
            done.result()
    return results


def grade(case: Case, exercise: Exercise, grader: Grader) -> Seen:
    """Grade by the items; and by the follow-ups that the place belongs to, where no item takes anything."""
    files = {**exercise.reference, case.mutant.file: case.mutant.text}
    followups = case.items & frozenset(exercise.followups)
    if not case.items & frozenset(exercise.items):
        return _ask(grader, files, [*exercise.items, *followups])
    seen = _ask(grader, files, list(exercise.items))
    if followups and not seen.lost and not seen.unjudged:
        seen = _ask(grader, files, sorted(followups))
    return seen


def _ask(grader: Grader, files: Mapping[str, str], only: Collection[str]) -> Seen:
    return seen_in(grader.grade(files, only=only, seed=QUESTIONS, explain=False))


def seen_in(result: Result) -> Seen:
    """What a result says that is wanted here."""
    lost: dict[str, float] = {}
    charged: dict[str, list[str]] = {}
    unjudged: list[str] = []
    parts: tuple[ItemResult | FollowUp, ...] = (*result.items, *result.followups)
    for part in parts:
        if part.status == "not-judged":
            unjudged.append(part.id)
        elif part.score < part.max_score:
            lost[part.id] = round(part.max_score - part.score, 2)
            failed = [f"{check.id} {check.outcome}" for check in part.checks if check.outcome in FAILURES]
            if failed or not any(check.blocked_by for check in part.checks):
                charged[part.id] = failed
    return Seen(lost, charged, [fault.file for fault in result.load_faults], unjudged)


def sort_out(cases: Iterable[Case], results: Mapping[str, Seen]) -> Sorted:
    """Each case to its list."""
    found = Sorted([], [], [], [], [])
    for case in cases:
        seen = results[case.mutant.id]
        if seen.unjudged:
            found.unjudged.append(case)
        elif not seen.lost:
            found.survived.append(case)
        elif is_right(case.items, seen):
            found.right.append(case)
            if all(failed == [_exact(item)] for item, failed in seen.charged.items()):
                found.exactness.append(case)
        else:
            found.elsewhere.append(case)
    return found


def is_right(items: frozenset[str], seen: Seen) -> bool:
    """Whether what is charged may be; the beginning of this file says what may."""
    may = items
    if any(check.startswith(f"{RUNS} ") for check in seen.charged.get(RUNS_ITEM, ())):
        may |= {RUNS_ITEM}
    if items & FORWARD_ITEMS:
        may |= {item for item in FORWARD_ITEMS if seen.charged.get(item) == [_exact(item)]}
    charged = frozenset(seen.charged)
    return bool(charged & may) and (charged <= may or bool(seen.unloaded))


def _exact(item: str) -> str:
    return f"{item}-is-exact {Outcome.FAILED}"


def read_kept(file: Path | None, stamp: str, cases: Sequence[Case]) -> dict[str, Seen]:
    """The results in a file that are of the same grader, exercise and questions, and of places that serve the same."""
    if file is None or not file.exists():
        return {}
    items = {case.mutant.id: sorted(case.items) for case in cases}
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return {
        line["mutant"]: Seen(**line["seen"])
        for line in lines
        if line["stamp"] == stamp and line["items"] == items.get(line["mutant"])
    }


def _keep(file: Path | None, stamp: str, case: Case, seen: Seen) -> None:
    if file is not None:
        line = {"stamp": stamp, "mutant": case.mutant.id, "items": sorted(case.items), "seen": asdict(seen)}
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def _progress(cases: Sequence[Case], results: Mapping[str, Seen]) -> None:
    done = [results[case.mutant.id] for case in cases if case.mutant.id in results]
    survived = sum(not seen.lost for seen in done)
    print(f"\r{len(done)} of {len(cases)}, {survived} lose nothing", end="", file=sys.stderr, flush=True)


def _require_full_marks(grader: Grader, exercise: Exercise) -> None:
    seen = _ask(grader, exercise.reference, list(exercise.items))
    if seen.lost or seen.unjudged:
        sys.exit(f"the reference itself is not given all points; that is no measurement: {seen}")


def print_made(
    version: str,
    made: Mutants,
    cases: Sequence[Case],
    asked: Sequence[Case],
    chosen: Sequence[Case],
    known: Sequence[Case],
) -> None:
    """What there is to grade."""
    everything = len(made.all) + made.repeated + made.broken
    unasked = sum(not case.items for case in cases)
    beyond = len(cases) - len(asked) - unasked
    print(f"mutmut {version}: {everything} mutants; {made.repeated} are others again, {made.broken} are no Python")
    print(f"{beyond} of what only a follow-up asks, {unasked} of what nothing asks, left out")
    print(f"{len(chosen)} of the other {len(asked)} chosen; {len(known)} of them listed as equivalent", flush=True)


def print_found(found: Sorted, results: Mapping[str, Seen]) -> None:
    """The shares, and every mutant that is not as it should be."""
    for title, cases in (("survived", found.survived), ("charged elsewhere", found.elsewhere)):
        for case in cases:
            print_case(title, case, results)
    for case in found.unjudged:
        print_case("not judged", case, results)
    every = found.killed + len(found.survived)
    print(f"\n{'':20} {'mutants':>7} {'share':>6} {'goal':>5}")
    for name, count, of, goal in (
        ("lose points", found.killed, every, KILLED_GOAL),
        ("on the right item", len(found.right), found.killed, RIGHT_GOAL),
    ):
        print(f"{name:20} {count:7} {count / of if of else 1:6.3f} {goal:5}")
    print(f"{'by exactness alone':20} {len(found.exactness):7}")
    print(f"{'survived':20} {len(found.survived):7}")
    print(f"{'charged elsewhere':20} {len(found.elsewhere):7}")
    if found.unjudged:
        print(f"{'not judged':20} {len(found.unjudged):7}")
    survivors = Counter(f"{case.mutant.file} {case.mutant.place}".strip() for case in found.survived)
    for place, count in survivors.most_common():
        print(f"    {count:4} of {place}")


def print_case(title: str, case: Case, results: Mapping[str, Seen]) -> None:
    """A mutant with its diff and what it lost."""
    mutant, seen = case.mutant, results[case.mutant.id]
    lost = ", ".join(f"{name} {points:g}" for name, points in seen.lost.items()) or "nothing"
    print(f"\n{title}: {mutant.id}  {mutant.file}:{mutant.line} {mutant.place}  ({', '.join(sorted(case.items))})")
    print(f"    lost: {lost}")
    for name, failed in seen.charged.items():
        print(f"    {name}: {', '.join(failed) or 'the bug is still in'}")
    print(indent(mutant.diff, "    "))


def at_least(least: int) -> Callable[[str], int]:
    """A whole number from a command line."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Mutants of the reference by mutmut's operators: which lose points.")
    parser.add_argument("--others", type=Path, metavar="PYTHON", help="an interpreter with mutmut 3")
    parser.add_argument("--sample", type=at_least(0), default=300, metavar="N", help="how many; 0 for all (300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which of them (0)")
    parser.add_argument("--followups", action="store_true", help="those too that only a follow-up asks")
    parser.add_argument("--equivalents", action="store_true", help="grade those too that are listed as equivalent")
    parser.add_argument("--jobs", type=at_least(1), default=1, metavar="N", help="how many at a time (1)")
    parser.add_argument("--results", type=Path, metavar="FILE", help="where results are kept, for the next run too")
    main(parser.parse_args())
