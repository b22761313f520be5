"""A watched directory whose files cannot be read for now is waited for, and not graded."""

from pathlib import Path
from threading import Event

import pytest

from grader.errors import UsageError
from grader.learner.watch import wait_for_another
from grader.submission.read import read_submission


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_file_that_is_not_utf_8_is_waited_for_and_said(encoding: str, tmp_path: Path) -> None:
    for name in ("model.py", "train.py"):
        (tmp_path / name).write_text("x = 1\n")
    known = read_submission(tmp_path, whole=True)
    (tmp_path / "model.py").write_bytes("x = 'é'\n".encode(encoding))
    told: list[str] = []
    enough = Event()

    def tell(trouble: str) -> None:
        told.append(trouble)
        enough.set()

    assert wait_for_another(tmp_path, known, tell, enough) is None
    assert len(told) == 1
    assert "model.py in" in told[0]
    assert "cannot be read: it is not UTF-8 text (byte " in told[0]


def test_a_directory_to_watch_is_refused_while_a_file_that_it_needs_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("x = 1\n")
    (tmp_path / "train.py").write_bytes(b"\xff\xfex\0")

    with pytest.raises(UsageError, match=r"train\.py in .* cannot be read: .* it looks like UTF-16; save it as UTF-8"):
        read_submission(tmp_path, whole=True)
