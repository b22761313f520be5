"""``grader compare``: results in files and folders, and what cannot be compared is said in one line."""

from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from grader.cli import compare
from grader.cli.outputs import read_result
from grader.errors import UsageError
from grader.result.record import Result, to_json


@pytest.fixture
def folder(samples: ModuleType, tmp_path: Path) -> Path:
    """Three results over time, named so that text order is not their order."""
    for name, made in (("save-2", "starter"), ("save-10", "half_done"), ("save-11", "perfect")):
        (tmp_path / f"{name}.json").write_bytes(to_json(getattr(samples, made)()))
    return tmp_path


def run(*results: Path, html: Path | None = None, audience: str = "instructor") -> int:
    return compare.run(Namespace(results=list(results), html=html, audience=audience))


def test_two_files_are_compared_and_a_loss_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder / "save-2.json", folder / "save-11.json") == 0
    assert "A to B (+100)" in capsys.readouterr().out
    assert run(folder / "save-11.json", folder / "save-2.json") == 1
    assert "A to B (-100)" in capsys.readouterr().out


def test_a_folder_is_read_in_the_order_of_its_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "settings.json").write_text('{"theme": "dark"}')

    assert run(folder, html=folder / "page.html") == 0
    out, err = capsys.readouterr()
    assert [out.index(name) for name in ("save-2", "save-10", "save-11")] == sorted(
        out.index(name) for name in ("save-2", "save-10", "save-11")
    )
    assert "settings.json' is not a result of this grader" in err
    assert (folder / "page.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_folder_is_read_in_the_order_of_dates_where_all_have_one(
    folder: Path, samples: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("save-11", "save-2", "save-10")
    for hour, name in enumerate(names):
        dated = replace(samples.starter(), graded_at=f"2026-11-29T{hour:02}:00:00Z")
        (folder / f"{name}.json").write_bytes(to_json(dated))

    assert run(folder) == 0
    out = capsys.readouterr().out
    assert sorted(names, key=out.index) == list(names)


def test_a_result_of_version_1_is_compared_with_one_of_today(folder: Path) -> None:
    old = folder / "save-2.json"
    old.write_text(old.read_text().replace('"schema_version": 2', '"schema_version": 1'))

    assert run(old, folder / "save-11.json") == 0


@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param(["save-2.json"], "one result alone: .*save-2.json'; expected two or more", id="one-file"),
        pytest.param(["absent.json", "save-2.json"], "cannot read '.*absent.json': No such file", id="absent"),
        pytest.param(["broken.json", "save-2.json"], "broken.json' is not a result of this grader", id="broken"),
        pytest.param(
            ["other.json", "save-2.json"], "about the exercise 'rnn' and .* about 'gpt'", id="another-exercise"
        ),
        pytest.param(["empty"], "no results in '.*empty'; expected two or more", id="empty-folder"),
        pytest.param(["empty", "save-2.json"], "empty' is a directory; expected", id="folder-and-file"),
    ],
)
def test_what_cannot_be_compared_is_told(names: list[str], words: str, folder: Path, samples: ModuleType) -> None:
    made: Result = samples.perfect()
    (folder / "other.json").write_bytes(to_json(replace(made, exercise=replace(made.exercise, id="rnn"))))
    (folder / "broken.json").write_text('{"schema_version": 2')
    (folder / "empty").mkdir()

    with pytest.raises(UsageError, match=words):
        run(*(folder / name for name in names))


def test_a_certificate_in_place_of_a_result_is_recognised(folder: Path) -> None:
    certificate = folder / "a certificate.json"
    certificate.write_text('{\n  "certificate": 1,\n  "files": {}\n}')

    with pytest.raises(UsageError, match=r"is a certificate, and no result; .*grader recheck '.*a certificate\.json'"):
        read_result(certificate)


def test_json_that_is_no_result_says_what_is_expected(folder: Path) -> None:
    (folder / "other.json").write_text("{}")

    with pytest.raises(
        UsageError, match=r"is not a result of this grader: .*; expected what `grader grade --json` wrote"
    ):
        read_result(folder / "other.json")


def test_a_page_that_cannot_be_written_is_told_before_anything_else(folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no directory"):
        run(folder, html=folder / "absent" / "page.html")
