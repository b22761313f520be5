"""``grader watch --open`` in a real browser, over one session: saves, a syntax error, a hang, two tabs, a lost server.

Only a browser can tell that the policy blocks nothing of the page's own, that the script keeps what is unfolded and
where it was scrolled to, and that a save is on the page by itself.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from grader.live.live_page import Board, LivePage, Phase
from grader.live.server import Server
from grader.submission.read import submission_of

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240  # seconds for something to come to the page: the machine may be busy
STATUS = "document.getElementById('status').textContent"
GRADED = f"{STATUS}.startsWith('Graded at')"
SIDE = "document.getElementById('side').innerText"
HANGING = "\n\ndef _hang(self, tokens, *, classify=False):\n    while True:\n        pass\n\n\nGPT.forward = _hang\n"


def until(page: Any, condition: str) -> None:
    """Return when it holds on the page."""
    deadline = time.monotonic() + PATIENCE
    while not page.run(condition):
        assert time.monotonic() < deadline, (condition, page.run("document.body.innerText")[:500], page.complaints())
        time.sleep(0.05)


class Session(NamedTuple):
    """A workspace that is watched, and its page in two tabs."""

    workspace: Path
    process: "subprocess.Popen[str]"
    first: Any
    second: Any

    def save(self, name: str, text: str) -> None:
        """As editors do: the new text is there at once or not at all."""
        beside = self.workspace.parent / name
        beside.write_text(text)
        os.replace(beside, self.workspace / name)


@pytest.fixture(scope="module")
def browser(browsers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browsers.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def session(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    workspace = tmp_path_factory.mktemp("live") / "mine"
    subprocess.run(
        [sys.executable, "-m", "grader", "start", workspace, "--minutes", "90"], check=True, capture_output=True
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "grader", "watch", workspace, "--open", "--timeout", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"BROWSER": "true"},  # the command, which opens nothing
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = next(line.split()[2] for line in process.stdout if line.startswith("The page: "))
        yield Session(workspace, process, browser.open(address), browser.open(address))
    finally:
        process.kill()
        process.communicate()


def saves_come_to_both_tabs_and_leave_them_as_they_were(session: Session) -> None:
    one, two = session.first, session.second
    for tab in (one, two):
        until(tab, GRADED)
    assert one.run("document.title") == two.run("document.title") == "0 of 100: mine"

    # One tab has folded an item, unfolded another, and is at a check of that one, which is then right; the other
    # has done neither.
    named = "[...document.querySelectorAll('#report details.item')].find(e => e.innerText.includes('{}'))"
    item, unfolded = named.format("Attention masking"), named.format("Training step")
    for each in (item, unfolded):
        one.run(f"{each}.querySelector('summary').click()")
    check = "[...document.querySelectorAll('#report summary h4')].filter(e => e.checkVisibility()).at(-1)"
    one.run(f"window.watched = {check}.textContent; {check}.scrollIntoView({{block: 'center'}})")
    one.run(f"{check}.closest('summary').focus({{preventScroll: true}})")
    watched = "[...document.querySelectorAll('#report h4')].find(e => e.textContent == window.watched)"
    before = one.run(f"{watched}.getBoundingClientRect().top")
    session.save("train.py", (ROOT / "reference" / "train.py").read_text().replace(
        "def make_batch(config", "print('hello from train')\n\n\ndef make_batch(config", 1
    ))  # fmt: skip
    for tab in (one, two):
        until(tab, "document.title.startsWith('15 of 100')")
        until(tab, GRADED)

    assert [tab.run(f"{item}.open") for tab in (one, two)] == [False, True]
    assert one.run(f"{watched}.closest('.item').matches('.good[open]')")
    assert abs(one.run(f"{watched}.getBoundingClientRect().top") - before) < 3
    assert one.run("document.activeElement.textContent.includes(window.watched)")
    assert "Training step" in one.run(SIDE)
    assert "hello from train" in one.run(SIDE)
    assert one.run("document.querySelectorAll('.score-curve circle').length") == 2


def the_clock_runs_and_a_hint_that_is_asked_for_elsewhere_comes(session: Session) -> None:
    until(session.first, "/^01:\\d\\d:\\d\\d left$/.test(document.getElementById('clock').textContent)")
    assert "To see hint 1 of 3, type" in session.first.run(SIDE)
    command = session.first.run("document.querySelector('#side-next').parentElement.querySelector('pre').textContent")
    item = command.split()[-1]
    subprocess.run([sys.executable, "-m", "grader", "hint", session.workspace, item], check=True, capture_output=True)

    until(session.first, f"{SIDE}.includes('To see hint 2 of 3, type')")


def a_syntax_error_and_a_hang_are_told_and_gone_again(session: Session) -> None:
    good = (session.workspace / "model.py").read_text()
    session.save("model.py", good + "\ndef broken(:\n")
    until(session.first, "document.getElementById('report').innerText.includes('SyntaxError')")
    assert "Does not run" in session.first.run("document.querySelector('#report h2').textContent")

    session.save("model.py", good + HANGING)
    until(session.first, f"{STATUS}.startsWith('Grading since')")
    until(session.first, "document.getElementById('report').innerText.includes('no answer within 2 s')")

    session.save("model.py", good)
    until(session.first, "document.querySelector('#report .stop') === null")
    until(session.first, GRADED)
    assert session.first.run("document.title") == "15 of 100: mine"


def nothing_sticks_out_in_either_scheme(session: Session) -> None:
    for dark in (False, True):
        for width in (400, 760, 1440):
            session.first.look(width=width, dark=dark)

            assert session.first.run("document.documentElement.scrollWidth") <= width, (width, dark)


def nothing_was_blocked_and_nothing_but_its_own_server_was_asked(session: Session) -> None:
    for tab in (session.first, session.second):
        hosts = {address.split("/")[2].split(":")[0] for address in tab.requests()}

        assert tab.complaints() == []
        assert hosts == {"127.0.0.1"}


def a_server_that_is_lost_is_told(session: Session) -> None:
    session.process.send_signal(signal.SIGKILL)
    session.process.wait()

    for tab in (session.first, session.second):
        until(tab, "!document.getElementById('lost').hidden")
        assert "connection to grader watch is lost" in tab.run("document.getElementById('lost').textContent")
        assert tab.run("document.title") == "15 of 100: mine"


def test_a_session_from_the_first_save_to_a_lost_server(session: Session) -> None:
    """One after another, on the same two tabs: each goes on from what the one before it has left."""
    saves_come_to_both_tabs_and_leave_them_as_they_were(session)
    the_clock_runs_and_a_hint_that_is_asked_for_elsewhere_comes(session)
    a_syntax_error_and_a_hang_are_told_and_gone_again(session)
    nothing_sticks_out_in_either_scheme(session)
    nothing_was_blocked_and_nothing_but_its_own_server_was_asked(session)
    a_server_that_is_lost_is_told(session)


def test_a_watch_that_ends_says_so_and_what_was_graded_stays(browser: Any, samples: ModuleType) -> None:
    board = Board()
    page = LivePage(board=board, command=str, when_stopped=(), hints=dict, scores=[], end=None, minutes=None)
    page.graded(submission_of("x", {"model.py": "x"}), samples.half_done())
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(board, lambda: None))
        tab = browser.open(server.address)
        board.change(phase=Phase.GRADED)
        until(tab, GRADED)
        stack.close()
        until(tab, "document.getElementById('lost').textContent.startsWith('grader watch has ended')")

    assert tab.run(STATUS) == "grader watch has ended"
    assert "41.66" in tab.run("document.getElementById('report').innerText")


def test_axe_finds_nothing(browser: Any, samples: ModuleType) -> None:
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    board = Board()
    page = LivePage(board=board, command=str, when_stopped=(), hints=dict, scores=[("0", 0.0)], end=9e9, minutes=90)
    page.graded(submission_of("x", {"model.py": "x"}), samples.starter())
    page.graded(submission_of("x", {"model.py": "y"}), samples.half_done())
    with Server(board, lambda: None) as server:
        for dark in (False, True):
            tab = browser.open(server.address, dark=dark)
            until(tab, f"{STATUS} != 'Loading'")
            tab.run(axe + ";0")
            found = tab.run("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html).slice(0, 3)]))")

            assert found == []
