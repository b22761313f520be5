"""One hand-in by its path: a directory or an archive, with the submission in it, however far down."""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from grader.errors import UsageError
from grader.files.read_untrusted import Directory, Listed, Refused
from grader.hand_ins.archives import is_archive, open_archive
from grader.hand_ins.assignments import hand_ins, is_of_a_platform
from grader.hand_ins.locate import is_a_systems, read_package
from grader.hand_ins.tree import OnDisk, Tree
from grader.limits import ASSIGNMENT_MAX_HAND_INS
from grader.submission.read import EXPECTED, Submission, UnreadableFile, name_of

OR_PACKED: Final = f"{EXPECTED}, or a .zip or .tar.gz of it"


def read_hand_in(path: Path) -> Submission:
    """The submission that ``path`` is or holds.

    Raises:
        UsageError: there is none, more than one could be meant, or a file that it cannot do without cannot be read.
    """
    with ExitStack() as stack:
        where = repr(str(path))
        tree = opened(path, OR_PACKED, stack)
        if not is_of_a_platform(_meant(tree)):
            try:
                return read_package(tree, name_of(path), where, stack)
            except UnreadableFile:
                raise  # it is there: nothing else is expected
            except UsageError as error:
                raise UsageError(f"{error}; {OR_PACKED}") from None
        handed_in = hand_ins(tree, where, stack, is_packed=is_archive(path.name)).found
        if len(handed_in) > 1:
            raise UsageError(f"{where} holds the hand-ins of {len(handed_in)} people; `grader cohort` grades them all")
        try:
            return handed_in[0].read()
        except Refused as reason:
            raise UsageError(f"cannot read {where}: {reason}; {OR_PACKED}") from None


def _meant(tree: Tree) -> list[Listed]:
    """What lies at its top, if that can be listed: a working directory may hold any number of files."""
    try:
        return [entry for entry in tree.entries(ASSIGNMENT_MAX_HAND_INS) or () if not is_a_systems(entry.name)]
    except Refused:
        return []


def opened(path: Path, expected: str, stack: ExitStack) -> Tree:
    """The directory or the archive at ``path``, which may lead through links.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    shown = repr(str(path))
    try:
        if is_archive(path.name) and path.is_file():
            resolved = path.resolve()
            with Directory(resolved.parent) as parent:
                return open_archive(parent.open(resolved.name), stack)
        with Directory(path):
            return OnDisk(path)
    except Refused as reason:
        raise UsageError(f"cannot read {shown}: {reason}; {expected}") from None
    except FileNotFoundError:
        raise UsageError(f"no such directory: {shown}; {expected}") from None
    except NotADirectoryError:
        raise UsageError(f"not a directory: {shown}; {expected}") from None
    except OSError as error:
        raise UsageError(f"cannot read the directory {shown}: {error.strerror}; {expected}") from None
