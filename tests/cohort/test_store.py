"""A cohort's directory: who may read it, what is taken up again, and what is refused."""

import os
import stat
from pathlib import Path

import pytest

from grader.cohort.store import Store
from grader.errors import UsageError
from grader.result.record import Audience


def opened(directory: Path, *, resume: bool = False, seed: int | None = None) -> Store:
    return Store(directory, resume=resume, seed=seed, audience=Audience.INSTRUCTOR)


def test_the_seed_is_drawn_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as store:
        first = store.seed
    with opened(tmp_path / "out", resume=True) as store:
        assert store.seed == first
    with opened(tmp_path / "another") as store:
        assert store.seed != first

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "out" / "cohort.json").stat().st_mode) == 0o600


def test_a_directory_that_holds_something_is_only_gone_on_with(tmp_path: Path) -> None:
    with opened(tmp_path / "out"):
        pass

    with pytest.raises(UsageError, match="is not empty; go on with the cohort in it with --resume"):
        opened(tmp_path / "out")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds no cohort to go on with"):
        opened(tmp_path / "thesis", resume=True)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["index.html"]
    with pytest.raises(UsageError, match="there is no directory"):
        opened(tmp_path / "no" / "where")


def test_another_seed_is_another_cohort(tmp_path: Path) -> None:
    with opened(tmp_path / "out", seed=1):
        pass

    with pytest.raises(UsageError, match=r"--seed 2, but the cohort in .* was begun with another; leave it out"):
        opened(tmp_path / "out", resume=True, seed=2)
    with opened(tmp_path / "out", resume=True, seed=1) as store:
        assert store.seed == 1


def test_two_runs_do_not_write_into_one_directory(tmp_path: Path) -> None:
    with opened(tmp_path / "out"), pytest.raises(UsageError, match="another run is grading into"):
        opened(tmp_path / "out", resume=True)
    with opened(tmp_path / "out", resume=True):
        pass


def test_what_a_killed_run_had_half_written_is_swept_away_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as store:
        store.put("ann", b"{}", b"report")
    kept = sorted(tmp_path.rglob("*"))
    of_ann = ("candidates/ann/.result.json.x3", "candidates/ann/.report.html.x4")
    for left in (".cohort.json.x1", ".index.html.x2", *of_ann):
        (tmp_path / "out" / left).write_text("half")
    (tmp_path / "out" / ".notes").write_text("mine")

    with opened(tmp_path / "out", resume=True):
        pass

    assert sorted(tmp_path.rglob("*")) == sorted([*kept, tmp_path / "out" / ".notes"])


def test_a_run_that_was_killed_as_it_began_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".cohort.json.x1").write_text("half")

    with opened(tmp_path / "out"):
        pass

    assert sorted(os.listdir(tmp_path / "out")) == ["candidates", "cohort.json"]


def test_a_result_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as store:
        store.put("ann", b'{"schema_version": 1', b"report")

        assert store.result("ann") is None
        assert store.result("bob") is None


@pytest.mark.parametrize("there", [False, True], ids=["made", "there-before"])
def test_a_command_that_cannot_be_carried_out_leaves_nothing_in_the_way_of_the_next(
    tmp_path: Path, there: bool
) -> None:
    if there:
        (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="there is no file"), opened(tmp_path / "out"):
        raise UsageError("there is no file")

    assert list(tmp_path.rglob("*")) == ([tmp_path / "out"] if there else [])


def test_what_an_earlier_run_left_stays_whatever_cannot_be_done_now(tmp_path: Path) -> None:
    with opened(tmp_path / "out", seed=1):
        pass
    with pytest.raises(UsageError), opened(tmp_path / "out", resume=True):
        raise UsageError("there is no file")
    with opened(tmp_path / "out", resume=True) as store:
        assert store.seed == 1
