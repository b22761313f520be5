"""A bulk of exercises: what its manifest says whatever the order, what an earlier run has left, and who is held out."""

import itertools
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import CannotJudge, UsageError
from grader.exercise.model import StoredExercise
from grader.injection.bulk import Bulk, Plan
from grader.injection.bulk_job import Done, Failed, Seed
from grader.injection.choose import Mutant
from grader.injection.manifest import NAME, SCHEMA, Bug, Entry, Hashes, Manifest, Proof, folder_of, hashes_of, schema
from grader.injection.recipe import Recipe, is_held_out, seeds_named
from grader.injection.workshop import Workshop
from grader.sandbox.client import Launcher
from mutations.catalogue import OPERATORS
from mutations.edit import Edit

FILES = {"reference/model.py": b"right", "starter/model.py": b"wrong"}
ONE = Recipe(bugs=1)
IDS = [operator.id for operator in OPERATORS]


def built(seed: int, bugs: str = "") -> Entry:
    """The entry of an exercise whose folder holds FILES, with the bugs of that name."""
    one = Bug(item="bug-1", operator="o", category="loss", file="model.py", span=(1, 2), difficulty=3, bucket="easy")
    found = hashes_of(FILES)
    return Entry(
        seed=seed,
        status="built",
        folder=folder_of(seed),
        bugs=(one,),
        hashes=Hashes(**found, exercise="0" * 64, bugs=(bugs or f"{seed:x}").rjust(64, "0")),
        proof=Proof(subsets=2, seeds=(1,), grader="g", torch="t", cpu="c"),
    )


# The manifest


@pytest.mark.parametrize("order", list(itertools.permutations([2, 3, 5, 8])), ids=str)
def test_of_those_with_the_same_bugs_the_lowest_seed_is_built_in_whatever_order_they_are_done(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    manifest = Manifest(tmp_path)
    for seed in order:
        changed = manifest.add(built(seed, "abc" if seed in (2, 5, 8) else ""))
        alike = [entry for entry in manifest.entries.values() if entry.seed in (2, 5, 8)]

        assert sum(entry.status == "built" for entry in alike) == min(len(alike), 1)  # at every moment
        assert changed[0] == manifest.entries[seed]
    assert {seed: (entry.status, entry.same_as) for seed, entry in Manifest(tmp_path).entries.items()} == {
        2: ("built", None), 3: ("built", None), 5: ("duplicate", 2), 8: ("duplicate", 2),
    }  # fmt: skip
    manifest.write()
    assert [json.loads(line)["seed"] for line in (tmp_path / NAME).read_text().splitlines()] == [2, 3, 5, 8]


def test_a_seed_that_is_forgotten_makes_no_other_one_its_duplicate(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(built(2, "abc"))
    manifest.forget([2])
    manifest.add(built(5, "abc"))

    assert {seed: entry.status for seed, entry in Manifest(tmp_path).entries.items()} == {5: "built"}
    manifest.add(built(2, "abc"))
    assert {seed: entry.status for seed, entry in manifest.entries.items()} == {2: "built", 5: "duplicate"}


def test_a_line_that_was_cut_short_is_no_line(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(built(1))
    whole = (tmp_path / NAME).read_bytes()
    for length in range(len(whole)):
        (tmp_path / NAME).write_bytes(whole + whole[:length])

        assert list(Manifest(tmp_path).entries) == [1]


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("{}\n")

    with pytest.raises(UsageError, match="is not the manifest of a bulk"):
        Manifest(tmp_path)


def test_the_schema_in_the_documentation_is_that_of_a_line() -> None:
    assert SCHEMA.read_text("utf-8") == schema()


# What an earlier run has left


class FakeJob:
    """Answers at once, with what ``answers`` gives for a seed; it writes the folder of what is built."""

    def __init__(self, answers: Callable[[int], Done | Failed], output: Path) -> None:
        self._answers, self._output = answers, output
        self.busy = False
        self.connection, self._theirs = socket.socketpair()

    def give(self, seed: Seed) -> None:
        self.busy, self._seed = True, seed.seed
        self._theirs.sendall(b".")

    def take(self) -> Done | Failed:
        self.connection.recv(1)
        self.busy = False
        answer = self._answers(self._seed)
        if isinstance(answer, Done) and answer.entry.folder:
            for name, data in FILES.items():
                path = self._output / answer.entry.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        return answer

    def hang_up(self) -> None:
        pass

    def close(self) -> None:
        self.connection.close()
        self._theirs.close()


@pytest.fixture
def run(
    exercise: StoredExercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[list[int], dict[int, Entry]]]:
    """``run([1, 2], answer, recipe=...) -> (seeds that were asked, entries)``: one run in ``bulk/``."""

    def do(
        seeds: list[int], answer: Callable[[int], Done | Failed], recipe: Recipe = ONE
    ) -> tuple[list[int], dict[int, Entry]]:
        asked: list[int] = []

        def noted(seed: int) -> Done | Failed:
            asked.append(seed)
            return answer(seed)

        monkeypatch.setattr("grader.jobs.Job", lambda _: FakeJob(noted, tmp_path / "bulk"))
        plan = Plan(
            recipe=recipe, reference=exercise.reference, hidden=exercise.reference_directory, isolation="strict"
        )
        with Bulk(tmp_path / "bulk", plan) as bulk:
            bulk.build(seeds, 2, lambda _: None)
            return asked, dict(bulk.manifest.entries)

    return do


def of(bugs: str = "") -> Callable[[int], Done]:
    return lambda seed: Done(entry=built(seed, bugs), last=False)


def folders(directory: Path) -> list[str]:
    return sorted(name for name in os.listdir(directory) if name not in ("bulk.json", NAME))


def test_a_later_run_builds_what_is_not_whole(run: Callable[..., Any], tmp_path: Path) -> None:
    run([0, 1, 2, 3, 4], of())
    bulk = tmp_path / "bulk"
    (bulk / "seed-1" / "starter" / "model.py").write_bytes(b"half")  # by a machine that lost power
    (bulk / "seed-2" / "starter" / "model.py").unlink()
    (bulk / "seed-4" / "starter" / "__pycache__").mkdir()
    (bulk / "seed-4" / "starter" / "__pycache__" / "model.pyc").write_bytes(b"run")
    (bulk / ".seed-9.x" / "new").mkdir(parents=True)  # by a run that was killed
    (bulk / "seed-8" / "starter").mkdir(parents=True)  # the same, before it had noted the line
    (bulk / NAME).write_bytes((bulk / NAME).read_bytes() + b'{"seed":7,')

    asked, entries = run([0, 1, 2, 3, 4, 5], of())

    assert sorted(asked) == [1, 2, 5]
    assert sorted(entries) == [0, 1, 2, 3, 4, 5]
    assert folders(bulk) == [f"seed-{seed}" for seed in range(6)]
    assert (bulk / "seed-1" / "starter" / "model.py").read_bytes() == b"wrong"


def test_the_folder_of_a_duplicate_is_removed(run: Callable[..., Any], tmp_path: Path) -> None:
    run([5, 7], of("abc"))
    _, entries = run([3, 5, 7], of("abc"))

    assert {seed: (entry.status, entry.same_as) for seed, entry in entries.items()} == {
        3: ("built", None), 5: ("duplicate", 3), 7: ("duplicate", 3),
    }  # fmt: skip
    assert folders(tmp_path / "bulk") == ["seed-3"]
    assert run([3, 5, 7], of("abc"))[0] == []


def test_what_cannot_be_built_is_a_line_and_what_the_machine_failed_at_is_tried_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    tries: list[int] = []

    def answer(seed: int) -> Done | Failed:
        if seed == 1:
            return Done(entry=Entry(seed=1, status="impossible", reason="too few bugs"), last=True)
        if seed == 2:
            tries.append(seed)
            return Failed(reason="no memory")
        return of()(seed)

    _, entries = run([0, 1, 2, 3], answer)

    assert {seed: entry.status for seed, entry in entries.items()} == {
        0: "built", 1: "impossible", 2: "failed", 3: "built",
    }  # fmt: skip
    assert (entries[1].reason, entries[2].reason) == ("too few bugs", "no memory")
    assert len(tries) == 2  # in a fresh process the second time
    assert run([0, 1, 2, 3], of())[0] == [2]
    assert folders(tmp_path / "bulk") == ["seed-0", "seed-2", "seed-3"]


@pytest.mark.parametrize(("usage", "error"), [(True, UsageError), (False, CannotJudge)])
def test_what_holds_for_every_seed_ends_the_bulk(
    usage: bool, error: type[Exception], run: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(error, match="none at all"):
        run([0, 1], lambda _: Failed(reason="none at all", hopeless=True, usage=usage))
    assert (tmp_path / "bulk").exists() is not usage  # nothing is in the way of the right command


def test_a_bulk_goes_on_as_it_was_begun_or_not_at_all(run: Callable[..., Any]) -> None:
    run([0], of())

    with pytest.raises(UsageError, match=r"begun with bugs=1 instead of 2; split=None instead of 'train'"):
        run([1], of(), Recipe(bugs=2, split="train"))


def test_a_directory_that_holds_something_else_is_left_alone(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "bulk").mkdir()
    (tmp_path / "bulk" / "thesis.tex").write_text("years of work")

    with pytest.raises(UsageError, match="is not empty, and no bulk was begun in it"):
        run([0], of())
    assert os.listdir(tmp_path / "bulk") == ["thesis.tex"]


# Held out


@given(share=st.floats(0.01, 0.99), more=st.floats(0.01, 0.99), known=st.sets(st.sampled_from(IDS)))
def test_no_operator_is_on_both_sides_and_each_is_on_one(share: float, more: float, known: set[str]) -> None:
    train, held_out = (
        {name for name in IDS if Recipe(split=split, held_out=share).takes(name)} for split in ("train", "held-out")
    )

    assert train.isdisjoint(held_out)
    assert train | held_out == set(IDS)
    # Whatever else there is, and whatever share is held out beyond this one:
    assert {name for name in known if is_held_out(name, share)} == known & held_out
    assert all(is_held_out(name, max(share, more)) for name in held_out)


def test_the_share_is_about_what_was_asked_for() -> None:
    for share in (0.2, 0.5):
        assert abs(sum(is_held_out(name, share) for name in IDS) / len(IDS) - share) < 0.1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"split": "test"}, "expected 'train' or 'held-out'"),
        ({"held_out": 0.0}, "above 0 and below 1"),
        ({"held_out": float("nan")}, "above 0 and below 1"),
        ({"split": "train", "operators": ("mask-flipped",)}, "expected one of the two"),
    ],
    ids=["split", "nothing", "nan", "named"],
)
def test_a_split_that_cannot_be_made_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Recipe(**asked)


@pytest.mark.parametrize("text", ["0-9999999", "0-1,5-99999999999999999999", "9007199254740992", "9" * 5000], ids=len)
def test_too_many_seeds_are_refused_at_once(text: str) -> None:
    with pytest.raises(UsageError, match="seed"):
        seeds_named(text)


@pytest.fixture(scope="module")
def workshop(exercise: StoredExercise, launcher: Launcher) -> Iterator[Workshop]:
    with Workshop(exercise.reference, launcher) as workshop:
        yield workshop


@pytest.mark.slow  # all operators look for their sites, which takes seconds
def test_no_edit_to_train_on_is_one_that_is_held_out(workshop: Workshop) -> None:
    train, held_out = (workshop.pool(Recipe(split=split)) for split in ("train", "held-out"))
    everything = workshop.pool(Recipe())

    assert {mutant.operator.id for mutant in train}.isdisjoint(mutant.operator.id for mutant in held_out)
    assert {mutant.edit for mutant in train}.isdisjoint(mutant.edit for mutant in held_out)
    assert {mutant.edit for mutant in (*train, *held_out)} == {mutant.edit for mutant in everything}
    assert len({mutant.operator.category for mutant in held_out}) > 10


def test_what_a_held_out_operator_makes_is_not_trained_on_by_another_name(
    exercise: StoredExercise, launcher: Launcher
) -> None:
    held_out, trained_on = (
        next(each for each in OPERATORS if is_held_out(each.id, Recipe().held_out) is out) for out in (True, False)
    )
    shared, other = Edit("model.py", 0, 1, "a", "b"), Edit("model.py", 4, 5, "a", "b")
    with Workshop(exercise.reference, launcher) as workshop:
        workshop._sites = {each.id: [] for each in OPERATORS}
        workshop._sites[held_out.id] = [Mutant(held_out, shared, 0)]
        workshop._sites[trained_on.id] = [Mutant(trained_on, shared, 0), Mutant(trained_on, other, 1)]

        assert workshop.pool(Recipe(split="train")) == [Mutant(trained_on, other, 1)]
        assert workshop.pool(Recipe(split="held-out")) == [Mutant(held_out, shared, 0)]
