"""What the verdict tests share: the reference with some text replaced, and what of a result they compare."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from grader.exercise import Exercise

Replacements = Mapping[str, Sequence[tuple[str, str]] | str]


@pytest.fixture(scope="session")
def rewritten(exercise: Exercise) -> Callable[[Replacements], dict[str, str]]:
    """``rewritten({"model.py": [(old, new), ...], "more.py": text}) -> files``: the reference, edited.

    An ``old`` that stands there twice, or not at all any more, is a mistake of the test's.
    """

    def rewrite(replacements: Replacements) -> dict[str, str]:
        files = dict(exercise.reference)
        for name, pairs in replacements.items():
            if isinstance(pairs, str):
                files[name] = pairs
                continue
            for old, new in pairs:
                assert files[name].count(old) == 1, f"{old!r} occurs {files[name].count(old)} times in {name}"
                files[name] = files[name].replace(old, new)
        return files

    return rewrite
