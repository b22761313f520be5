"""How learning platforms name what they deliver: whose each file or folder is, and what it was called before.

The names are those that the platforms write, each with a person's identifier in it:

- Moodle: ``Ann Lee_12345_assignsubmission_file_``, a folder for each person, or that in front of each file;
- Canvas: ``leeann_12345_678_model.py``, with ``_LATE`` behind the name where it was, or ``anon_AbCdE_678_model.py``;
- Blackboard: ``Homework 1_alee_attempt_2026-11-02-13-37-00_model.py``, and a text of its own about each attempt;
- Gradescope: ``submission_12345``, and in ``submission_metadata.yml`` who handed that in.

What people choose themselves, the name of a file, stands last in each of them, and is not looked at: no one can hand in
under another's name.
"""

import re
from dataclasses import dataclass
from typing import Final

from grader.files.printable import one_line

METADATA: Final = "submission_metadata.yml"  # Gradescope's

_MOODLE: Final = re.compile(r"(?P<person>.+?_\d+)_assignsubmission_[a-z]+(?:_(?P<name>.*))?", re.DOTALL)
# What is typed into the page, or a link, has no number of its own.
_FILE: Final = r"(?:(?P<number>\d+)_(?P<name>.+)|(?P<typed>(?:text|link)\.html))"
_CANVAS: Final = re.compile(rf"(?P<person>\w+?)(?:_LATE)?_(?P<id>\d+)_{_FILE}", re.DOTALL)
_ANONYMOUS: Final = re.compile(rf"(?:LATE_)?(?P<person>anon_[^\W_]+)_{_FILE}", re.DOTALL)
_BLACKBOARD: Final = re.compile(
    r"(?P<person>.+?_.+?)_attempt_(?P<when>\d{4}(?:-\d\d){5})(?:_(?P<name>.+)|(?P<about>\.txt))", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a platform's name of a file or a folder says.

    Attributes:
        platform: whose name it is.
        person: who handed it in, as the platform writes it; no other has that.
        name: what it was called; empty for a folder that holds what was handed in, and for what the platform itself
            has added.
        number: of what a person handed in under one name, or in several attempts, the highest is the newest.
        when: the attempt, where several of them are delivered together.
    """

    platform: str
    person: str
    name: str = ""
    number: int = 0
    when: str = ""


def named(name: str, *, is_folder: bool) -> Named | None:
    """Who handed in the file or folder of this name; None where no platform writes such names."""
    if found := _MOODLE.fullmatch(name):
        rest = found["name"] or ""
        # A text typed into the page comes in a folder of its own, beside that of the files.
        if is_folder or rest:
            return Named(platform="Moodle", person=found["person"], name="" if is_folder else rest)
    if is_folder:
        return None
    if found := _BLACKBOARD.fullmatch(name):
        return Named(platform="Blackboard", person=found["person"], name=found["name"] or "", when=found["when"])
    if found := _ANONYMOUS.fullmatch(name):
        return _of_canvas(found, found["person"])
    if found := _CANVAS.fullmatch(name):
        return _of_canvas(found, f"{found['person']}_{found['id']}")
    return None


def _of_canvas(found: re.Match[str], person: str) -> Named:
    return Named(
        platform="Canvas", person=person, name=found["name"] or found["typed"], number=int(found["number"] or 0)
    )


def titles(people: list[str], platform: str) -> dict[str, str]:
    """What to call them: without the name of the assignment, which Blackboard puts in front of each."""
    if platform != "Blackboard":
        return {person: person for person in people}
    common = _in_front_of_all(people)
    return {person: person[len(common) :] for person in people}


def submitters(metadata: bytes) -> dict[str, str]:
    """Who handed in each folder that Gradescope's metadata name, in their order.

    Two kinds of lines are looked at, by how far they are indented: what anybody handed in, or a test has printed, is
    further in than these.
    """
    found: dict[str, list[str]] = {}
    names: list[str] = []
    in_submitters = False
    for line in metadata.decode("utf-8-sig", "replace").splitlines():
        if heading := re.fullmatch(r"""(['"]?)(\w[\w.-]*)\1:\s*""", line):
            names = found.setdefault(heading[2], [])
            in_submitters = False
        elif re.match(r"  :?\w+:", line):
            in_submitters = line.rstrip() == "  :submitters:"
        elif in_submitters and (submitter := re.fullmatch(r"  - :name: (.+)", line)):
            names.append(one_line(submitter[1].strip("'\" ")))
    return {folder: ", ".join(name for name in names if name) for folder, names in found.items()}


def _in_front_of_all(people: list[str]) -> str:
    """What all begin with, up to an underscore; of a single one all but what is behind its last."""
    first, last = min(people), max(people)
    if first == last:
        return first[: first.rfind("_") + 1]
    same = next((at for at, letter in enumerate(first) if last[at : at + 1] != letter), len(first))
    return first[: first.rfind("_", 0, same) + 1]
