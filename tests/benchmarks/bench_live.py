"""How long a saved file takes to the live page, as ratios to ``import torch`` measured in the same run.

    python tests/benchmarks/bench_live.py [--rounds N]

From the moment the file is in its place to the moment a reader of ``grader watch --open`` has what the checks say of
it, and then the verdict: the watcher's pause, the grade, the page's markup, the event, and the fetch of what it tells
of. What a browser then takes to put it on the screen is not in it.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from costs import print_waits

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.6


def main(rounds: int) -> None:
    """Save the training loop right, then wrong again, and so on; print a table."""
    waits: dict[str, list[float]] = {"import torch": []}
    waits |= {name + words: [] for name in ("starter, one bug fixed", "starter") for words in ("", ", verdict")}
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        for name in ("model.py", "train.py"):
            shutil.copyfile(ROOT / "candidate" / name, directory / name)
        with watching(directory) as address, views(address) as shown:
            settled(shown)
            for number in range(rounds):
                started = time.perf_counter()
                subprocess.run([sys.executable, "-c", "import torch"], check=True)
                waits["import torch"].append(time.perf_counter() - started)
                for name, source in (("starter, one bug fixed", "reference"), ("starter", "candidate")):
                    text = (ROOT / source / "train.py").read_text("utf-8") + f"# {number}\n"
                    (directory / "new").write_text(text, "utf-8")
                    started = time.perf_counter()
                    os.replace(directory / "new", directory / "train.py")
                    score = "15 of 100" if source == "reference" else "0 of 100"
                    for phase, words in (("comparing", ""), ("explaining", ", verdict")):
                        next(view for view in shown if view["title"].startswith(score) and view["phase"] == phase)
                        waits[name + words].append(time.perf_counter() - started)
                    settled(shown)
    print_waits(waits, GOAL)


@contextlib.contextmanager
def watching(directory: Path) -> Iterator[SplitResult]:
    """``grader watch --open`` on a directory, with a browser that does nothing; the page's address."""
    command = [sys.executable, "-m", "grader", "watch", str(directory), "--open"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"BROWSER": "true"}
    ) as process:
        assert process.stdout is not None
        try:
            yield urlsplit(next(line.split()[2] for line in process.stdout if line.startswith("The page: ")))
        finally:
            process.terminate()


@contextlib.contextmanager
def views(address: SplitResult) -> Iterator[Iterator[dict[str, str]]]:
    """What a reader has after each event, as the page's script would fetch it."""
    host, port = str(address.hostname), address.port or 0
    with contextlib.closing(http.client.HTTPConnection(host, port)) as told:
        told.request("GET", f"{address.path}events")

        def fetched() -> Iterator[dict[str, str]]:
            for line in told.getresponse():
                if line.startswith(b"data: "):
                    with contextlib.closing(http.client.HTTPConnection(host, port)) as asked:
                        asked.request("GET", f"{address.path}view")
                        yield json.loads(asked.getresponse().read())

        yield fetched()


def settled(shown: Iterator[dict[str, str]]) -> None:
    """Return when the whole report is there: a learner who reads it saves again after that."""
    next(view for view in shown if view["phase"] == "graded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a saved file takes to the live page, over import torch.")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="the file is saved twice in each (8)")
    main(parser.parse_args().rounds)
