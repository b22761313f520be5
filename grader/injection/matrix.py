"""The kill matrix: which checks see which bugs, for a whole catalogue on one reference."""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from grader.checks.catalogue import BY_ID, MEASURED_BY, of_family
from grader.checks.check import Check
from grader.comparisons.catalogue import COMPARISONS
from grader.comparisons.comparison import Comparison
from grader.injection.choose import Mutant, Sources, mutants
from grader.injection.fit import fit, require_it_runs
from grader.injection.observe import Observer
from grader.packages.trouble import without_a_verdict
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from mutations.operator import Operator

THREADS: Final = 2


class Row(Struct, frozen=True, kw_only=True):
    """One bug at one site.

    Attributes:
        killed_by: the checks that see it, in their order; the first alone when no more were asked for.
        shows_in: the comparisons that tell it by bits.
    """

    operator: str
    category: str
    site: int
    killed_by: tuple[str, ...]
    shows_in: tuple[str, ...]

    @property
    def name(self) -> str:
        """The operator, and which of its sites if it is not the first."""
        return f"{self.operator} (site {self.site + 1})" if self.site else self.operator


class Matrix(Struct, frozen=True, kw_only=True):
    """All rows, and how long they took."""

    checks: tuple[str, ...]
    rows: tuple[Row, ...]
    seconds: float

    @property
    def survivors(self) -> tuple[Row, ...]:
        """The bugs that no check sees."""
        return tuple(row for row in self.rows if not row.killed_by)

    @property
    def kills(self) -> Counter[str]:
        """How many bugs each check sees."""
        return Counter(dict.fromkeys(self.checks, 0)) + Counter(check for row in self.rows for check in row.killed_by)

    @property
    def idle_checks(self) -> tuple[str, ...]:
        """The checks that see no bug."""
        kills = self.kills
        return tuple(check for check in self.checks if not kills[check])


def kill_matrix(
    reference: Sources,
    operators: Iterable[Operator],
    launcher: Launcher,
    progress: Callable[[str], None],
    *,
    seed: int = 0,
    first: bool = False,
    checks: Sequence[Check] = MEASURED_BY,
) -> Matrix:
    """Ask the checks of every mutant of a reference, each in a fork of its own.

    Args:
        first: ask until one sees the bug, those of its own category first; otherwise all, and the comparisons too.
    """
    started = time.perf_counter()
    todo = list(mutants(reference, operators))
    waiting = deque(enumerate(todo))
    worker_pool = WorkerPool(launcher, adapter=reference.get(ADAPTER))
    found: dict[int, Row] = {}
    comparisons: Sequence[Comparison] = COMPARISONS

    def work() -> None:
        observer = Observer(worker_pool, reference, checks, [seed], comparisons)
        while True:
            try:
                number, mutant = waiting.popleft()
            except IndexError:  # asked for first, it could be empty by now
                return
            progress(f"bug {number + 1} of {len(todo)}: {mutant}")
            found[number] = _row(observer, mutant, reference, checks, first=first)

    with without_a_verdict():
        try:
            if ADAPTER in reference:
                require_it_runs(worker_pool, reference)
                fitting = fit(worker_pool, reference, [seed])
                checks = [check for check in checks if check.id not in fitting.left_out]
                comparisons = fitting.comparisons
            with ThreadPoolExecutor(THREADS) as pool:
                try:
                    for share in [pool.submit(work) for _ in range(THREADS)]:
                        share.result()
                except BaseException:
                    worker_pool.stop()  # or leaving the pool would wait for all the bugs that are left
                    raise
        finally:
            worker_pool.close()
    return Matrix(
        checks=tuple(check.id for check in checks),
        rows=tuple(found[number] for number in sorted(found)),
        seconds=round(time.perf_counter() - started, 2),
    )


def to_json(matrix: Matrix) -> str:
    """The matrix for other programs."""
    return json.dumps(msgspec.to_builtins(matrix), indent=2) + "\n"


def _row(observer: Observer, mutant: Mutant, reference: Sources, checks: Sequence[Check], *, first: bool) -> Row:
    files = mutant.files(reference)
    shows_in: tuple[str, ...] = ()
    if first:
        own = of_family(mutant.operator.category, checks)
        killer = observer.first_killer(files, [*own, *(check for check in checks if check not in own)])
        killed_by: tuple[str, ...] = () if killer is None else (killer.id,)
    else:
        seen = observer.observe(files)
        killed_by, shows_in = seen.killed_by, seen.shows_in
    return Row(
        operator=mutant.operator.id,
        category=mutant.operator.category.value,
        site=mutant.site,
        killed_by=killed_by,
        shows_in=shows_in,
    )


def as_text(matrix: Matrix) -> str:
    """A line for each bug with the checks that see it, and what is left over on either side."""
    return "\n".join(_lines(matrix)) + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    width = max((len(row.name) for row in matrix.rows), default=0)
    for category, rows in groupby(matrix.rows, key=lambda row: row.category):
        yield category
        for row in rows:
            yield f"  {row.name:{width}}  {', '.join(row.killed_by) or 'seen by no check'}"
        yield ""
    killed = len(matrix.rows) - len(matrix.survivors)
    rate = len(matrix.rows) / matrix.seconds if matrix.seconds else 0.0
    yield f"{killed} of {len(matrix.rows)} bugs are seen; {matrix.seconds:.1f} s, {rate:.1f} bugs a second"
    for row in matrix.survivors:
        why = f"seen by {', '.join(row.shows_in)} alone" if row.shows_in else "equivalent here, or never run"
        yield f"  not seen: {row.name} ({why})"
    for check in matrix.idle_checks:
        yield f"  sees no bug: {check}"


def as_html(matrix: Matrix) -> str:
    """The matrix as a table: bugs by category, checks by family."""
    environment = Environment(
        loader=PackageLoader("grader.injection", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    checks = sorted(matrix.checks, key=lambda check: BY_ID[check].family)
    return environment.get_template("matrix.html.jinja").render(
        matrix=matrix,
        checks=checks,
        rows=[(category, list(rows)) for category, rows in groupby(matrix.rows, key=lambda row: row.category)],
        kills=matrix.kills,
    )
