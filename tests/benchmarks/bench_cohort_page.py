"""How long the page about ten thousand candidates takes to open, filter and sort, over ``import torch``.

    python tests/benchmarks/bench_cohort_page.py [--candidates N] [--rounds N]

The candidates are made up and nothing is graded: it is the page that is measured, in Chromium, by the page's own
clock. Opening ends when the table is laid out and its controls answer; filtering and sorting when the frame with what
they leave is about to be painted.
"""

import argparse
import importlib.util
import random
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from costs import BASELINE, Cost, cost, import_torch, print_ratios

from grader.cohort.page import render_index
from grader.cohort.row import Cell, Past, Row
from grader.cohort.similarity import Pair
from grader.cohort.summary import Summary
from grader.result.record import Status

GOAL_SECONDS = 2.0
ITEMS = (
    ("masking", "Attention masking"), ("position", "Positional addition"), ("projection", "Output projection"),
    ("training-step", "Training step"), ("kv-cache", "KV cache"), ("classifier", "Token classifier"),
)  # fmt: skip
FOLLOWUPS = tuple((f"followup-{number}", f"Follow-up {number}") for number in range(1, 7))
ITEM = (Cell(Status.FIXED, 15.0, 15.0), Cell(Status.PARTLY, 7.5, 15.0), Cell(Status.NOT_FIXED, 0.0, 15.0))
FOLLOWUP = (Cell(Status.BUILT, 10.0, 10.0), Cell(Status.NOT_BUILT, 0.0, 10.0), Cell(Status.WAITS, 0.0, 10.0))

PAINTED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
DID = "await {}; return (performance.now() - began) / 1000"
TYPED = f"(async () => {{ const began = performance.now(); {{}}; {DID.format(PAINTED)} }})()"
OPENED = f"(async () => {{ await {PAINTED}; return performance.now() / 1000 }})()"
SET = (
    "const it = document.getElementById('{}'); it.value = '{}'; it.dispatchEvent(new Event('input', {{bubbles: true}}))"
)
STEPS = {
    "filter by a name": SET.format("name", "student 0123"),
    "no filter": SET.format("name", ""),
    "filter by a status": SET.format("status", "partly"),
    "of one item": SET.format("item", "kv-cache"),
    "sort by an item": "document.querySelector('[data-column=position] button').click()",
    "sort by name": "document.querySelector('[data-column=candidate] button').click()",
}


def made_up(count: int) -> Summary:
    """A cohort of that many, every tenth of which has a near copy, and every second a history."""
    draw = random.Random(1)
    rows = []
    for number in range(count):
        cells = {id: draw.choice(ITEM) for id, _ in ITEMS}
        past = Past(
            started_at="2026-11-29T19:04:10Z", last_at="2026-11-29T20:04:10Z", minutes=float(draw.randrange(200)),
            grades=draw.randrange(40), hints=draw.randrange(9), whole=True,
        )  # fmt: skip
        rows.append(
            Row(
                folder=f"student-{number:05}",
                title=f"student {number:05}",
                score=sum(cell.score for cell in cells.values()),
                max_score=90.0,
                cells=cells,
                followups={id: draw.choice(FOLLOWUP) for id, _ in FOLLOWUPS},
                past=past if number % 2 else None,
            )
        )
    pairs = tuple(Pair(rows[at].folder, rows[at + 1].folder, 0.95) for at in range(0, count - 1, 20))
    return Summary(exercise="Made up", items=ITEMS, rows=tuple(rows), pairs=pairs, followups=FOLLOWUPS)


def driver() -> ModuleType:
    """The module ``browser.py`` of the report's tests, by path: the tests are no package."""
    path = Path(__file__).parents[1] / "report" / "browser.py"
    spec = importlib.util.spec_from_file_location("report_browser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Watched:
    """An empty page, whose every step is timed on the clock and by the CPU seconds of the page's own thread."""

    def __init__(self, module: ModuleType, browser: Any) -> None:
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.page = module.Page(browser, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.page.call(f"{domain}.enable")
        self.page.look(width=1440)
        self.page.call("Performance.enable", timeDomain="threadTicks")

    def open(self, file: Path) -> Cost:
        """Load the page; it has done so when it is laid out and its controls answer."""
        before = self._cpu()
        self.page.call("Page.navigate", url=file.as_uri())
        self.page.wait_for("Page.loadEventFired")
        return Cost(self.page.run(OPENED), self._cpu() - before)

    def do(self, step: str) -> Cost:
        """What a reader does, until it is about to be painted."""
        before = self._cpu()
        return Cost(self.page.run(TYPED.replace("{}", step, 1)), self._cpu() - before)

    def _cpu(self) -> float:
        metrics = self.page.call("Performance.getMetrics")["metrics"]
        seconds: float = next(each["value"] for each in metrics if each["name"] == "ThreadTime")
        return seconds


def main(count: int, rounds: int) -> None:
    """Open the page anew in each round, filter and sort; print a table."""
    module = driver()
    if module.CHROMIUM is None:
        sys.exit("no Chromium on this machine")
    found: dict[str, list[Cost]] = {BASELINE: []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        file = Path(scratch) / "index.html"
        written = cost(lambda: file.write_text(render_index(made_up(count)), "utf-8"))
        print(f"{count} candidates: {file.stat().st_size / 1e6:.1f} MB, written in {written.cpu:.1f} s of CPU")
        with module.Browser(Path(scratch) / "profile") as browser:
            Watched(module, browser).open(file)  # fills caches
            for _ in range(rounds):
                found[BASELINE].append(cost(import_torch))
                watched = Watched(module, browser)
                found.setdefault("open", []).append(watched.open(file))
                for name, step in STEPS.items():
                    found.setdefault(name, []).append(watched.do(step))
                assert watched.page.complaints() == []
                watched.page.call("Page.close")
    print(f"Goal for each step: {GOAL_SECONDS:g} s. CPU is that of the page's thread: no step takes less on the clock.")
    print_ratios(found, {})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a page about very many takes, over import torch.")
    parser.add_argument("--candidates", type=int, default=10_000, metavar="N", help="lines of the table (10000)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="the page is opened in each (3)")
    arguments = parser.parse_args()
    main(arguments.candidates, arguments.rounds)
