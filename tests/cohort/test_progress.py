"""How far a cohort has come: a bar on a terminal, a line for each submission elsewhere."""

import io
import sys

import pytest

from grader.report.terminal import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_grows_in_one_line_that_is_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress()
    for number in range(1, 13):
        progress.counted(
            number, 12, f"a name{' that goes on' * 9}: 30 of 40", "about 3 min left" if number < 12 else ""
        )

    first, *_, last = lines = terminal.getvalue().split("\r\033[K")[1:]
    assert first.startswith("[##......................] 1/12, about 3 min left | a name that")
    assert last.startswith("[########################] 12/12 | a name that")
    assert len(lines) == 12
    assert max(map(len, lines)) < 80
    assert "\n" not in terminal.getvalue()


def test_elsewhere_each_is_a_line_without_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.counted(1, 2, "ann: 30 of 40", "about 9 s left")
    progress.counted(2, 2, "bob: 0 of 40", "")

    assert capsys.readouterr().err == "grader: [1/2] ann: 30 of 40; about 9 s left\ngrader: [2/2] bob: 0 of 40\n"
