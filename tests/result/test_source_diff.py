"""Two results hold what each changed in one starter; that tells how their sources differ, line by line."""

import random
import re
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from grader.result.record import FileChange
from grader.result.series import source_diff
from grader.submission.diff import changes

STARTER = [f"line {number}" for number in range(1, 61)]


def between(starter: dict[str, str], one: dict[str, str], other: dict[str, str]) -> tuple[FileChange, ...]:
    return source_diff(changes(starter, one), changes(starter, other))


def edited(lines: Sequence[str], chance: random.Random) -> list[str]:
    """The lines with a few runs of them taken out, put in or replaced."""
    found = list(lines)
    for _ in range(chance.randint(0, 5)):
        place, length = chance.randint(0, len(found)), chance.randint(0, 4)
        found[place : place + length] = [f"new {chance.randint(0, 5)}" for _ in range(chance.randint(0, 4))]
    return found


def patched(lines: Sequence[str], diff: str) -> list[str]:
    """What the unified diff makes of these lines; each line that it shows has to be there."""
    found: list[str] = []
    read = 0
    for line in diff.splitlines():
        if hunk := re.match(r"@@ -(\d+)(?:,(\d+))? ", line):
            start = int(hunk[1]) - (hunk[2] != "0")
            found += lines[read:start]
            read = start
            continue
        if line[0] in " -":
            assert lines[read] == line[1:]
            read += 1
        if line[0] in " +":
            found.append(line[1:])
    return found + list(lines[read:])


@pytest.mark.parametrize("seed", range(200))
def test_the_difference_makes_one_of_the_other(seed: int) -> None:
    chance = random.Random(seed)
    one = edited(STARTER, chance)
    # Most second submissions go on from the first.
    other = edited(one if seed % 2 else STARTER, chance)
    found = between({"m.py": "\n".join(STARTER)}, {"m.py": "\n".join(one)}, {"m.py": "\n".join(other)})

    assert patched(one, found[0].diff if found else "") == other
    for change in found:
        assert (change.lines_before, change.lines_after) == (len(one), len(other))
        assert len(other) - len(one) == change.added - change.removed


def test_a_change_that_both_made_is_none() -> None:
    both = "\n".join(["first", *STARTER[1:]])
    (change,) = between({"m.py": "\n".join(STARTER)}, {"m.py": both}, {"m.py": f"{both}\nlast"})

    assert (change.added, change.removed) == (1, 0)
    assert "first" not in change.diff
    assert between({"m.py": "\n".join(STARTER)}, {"m.py": both}, {"m.py": both}) == ()


def test_files_that_come_and_go_are_told() -> None:
    starter = {"a.py": "x = 1", "b.py": "y = 1"}
    found = between(starter, {"a.py": "x = 1", "b.py": "y = 1", "c.py": "z"}, {"a.py": "x = 1", "d.py": "w"})

    assert [(change.file, change.lines_before, change.lines_after) for change in found] == [
        ("b.py", 1, None),
        ("c.py", 1, None),
        ("d.py", None, 1),
    ]


def test_a_file_that_claims_to_be_endless_is_not_compared() -> None:
    one, other = (
        FileChange(
            file="m.py", lines_before=1 << 60, lines_after=1 << 60, added=1, removed=1, diff=f"@@ -1 +1 @@\n-{x}\n+y"
        )
        for x in "ab"
    )
    (change,) = source_diff([one], [other])

    assert (change.diff, change.left_out) == ("", 1)


def test_a_diff_that_was_cut_is_not_compared() -> None:
    one = changes({"m.py": "a"}, {"m.py": "b"})
    cut = tuple(replace(change, left_out=7) for change in changes({"m.py": "a"}, {"m.py": "c"}))
    (change,) = source_diff(one, cut)

    assert (change.diff, change.left_out, change.lines_before, change.lines_after) == ("", 1, 1, 1)
