"""``grader doctor`` shows what each layer refused, and believes no layer that did not."""

import contextlib
from argparse import Namespace
from dataclasses import replace

import pytest

from grader.cli import doctor
from grader.sandbox.client import Launcher
from grader.sandbox.lock import landlock
from grader.sandbox.trial import attempts

pytestmark = pytest.mark.skipif(landlock.abi() == 0, reason="strict isolation is Linux's")


@pytest.fixture(autouse=True)
def one_launcher(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher of the session, so that torch is imported once."""
    monkeypatch.setattr("grader.sandbox.client.Launcher", lambda *_, **__: contextlib.nullcontext(launcher))


def test_each_layer_is_shown_with_what_it_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.run(Namespace())
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    files = next(place for place, line in enumerate(lines) if line.startswith("  yes  files: "))
    assert lines[files + 1 : files + 5] == [
        "         read the hidden reference: refused (EACCES)",
        "         read some other file: refused (EACCES)",
        "         list a folder: refused (EACCES)",
        "         write a file: refused (EACCES)",
    ]
    assert "         open a socket: refused (EPERM)" in lines
    assert "         flood its output: refused (EFBIG)" in lines
    assert lines[-1] == "This machine can grade."


def test_a_layer_that_lets_something_through_is_no_layer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def let_through(*arguments: object) -> object:
        for attempt in attempts(*arguments):  # type: ignore[arg-type]
            yield replace(attempt, refusal=None) if attempt.deed == "open a socket" else attempt

    monkeypatch.setattr("grader.sandbox.trial.attempts", let_through)
    code = doctor.run(Namespace())
    printed = capsys.readouterr().out

    assert code == 3
    assert "         open a socket: NOT REFUSED\n" in printed
    assert printed.endswith(
        "A worker got through its lock here: grade no code that you do not trust, and report this.\n"
    )
