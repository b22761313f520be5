"""The grader as a library: what ``grader`` itself offers, loaded when it is first used."""

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Literal

from grader.errors import CannotJudge as CannotJudge
from grader.errors import GraderError as GraderError
from grader.errors import UsageError as UsageError
from grader.exercise.model import Exercise as Exercise
from grader.exercise.model import builtin_exercise, read_exercise
from grader.exercise.starter import starter_files as starter_files
from grader.isolation_advice import naming_the_way_out
from grader.library_arguments import directory_given, isolation_given, names_given
from grader.preconditions import require_docstrings
from grader.result.record import Result as Result
from grader.warm import Grader as Grader

Isolation = Literal["strict", "process"]
Difficulty = Literal["easy", "medium", "hard"]


def load_exercise(directory: str | PathLike[str] | None = None) -> Exercise:
    """The exercise in a directory, as ``grader inject`` makes it; the built-in one without a directory.

    Raises:
        UsageError: there is none, or something of it is missing or not as it should be.
    """
    return builtin_exercise() if directory is None else read_exercise(directory_given("directory", directory))


def grade(
    submission: str | PathLike[str] | Mapping[str, str | bytes],
    exercise: Exercise | None = None,
    *,
    only: Collection[str] = (),
    followups: bool = True,
    seed: int | None = None,
    thorough: bool = False,
    explain: bool = True,
    isolation: Isolation | None = None,
    timeout: float = 10.0,
) -> Result:
    """Grade one submission, as ``grader grade`` does. For many of them, a ``Grader`` imports PyTorch once.

    Args:
        submission: a directory that holds model.py and train.py, an archive of it, or their texts by file name, with
            those of any other ``.py`` files.
        exercise: the built-in one unless another is given.
        only: ids of items and follow-ups; empty for all.
        followups: whether to ask the follow-ups too, most of the work where they are built, where ``only`` names none.
        seed: repeats a grade of the same files; None draws one in secret, which is what counts.
        thorough: try eight times as many cases in each check, and larger ones.
        explain: whether to look for the smallest failing cases, and for evidence to show. It decides no point.
        isolation: "strict" locks the submission's process, or refuses to run it; "process" does not lock it. None is
            strict on Linux, and process elsewhere.
        timeout: seconds that the submission may take for one question, computing or asleep; those in which it waits
            for a busy machine do not count.

    Returns:
        The result. Look at ``result.judged``, or take ``result.reward``, which is None where there is no verdict.

    Raises:
        UsageError: no such directory, no model.py, one that cannot be read, no such item.
        CannotJudge: the machine or the grader failed. Says nothing of the submission.
    """
    with Grader(exercise, isolation=isolation) as grader:
        return grader.grade(
            submission,
            only=only,
            followups=followups,
            seed=seed,
            thorough=thorough,
            explain=explain,
            timeout=timeout,
        )


def inject(
    directory: str | PathLike[str] | None = None,
    *,
    seed: int,
    bugs: int | None = None,
    operators: Collection[str] = (),
    difficulty: Difficulty | None = None,
    source: str | PathLike[str] | None = None,
    keep_extensions: bool = False,
    force: bool = False,
    isolation: Isolation | None = None,
) -> Exercise:
    """Build a new exercise and prove it sound, as ``grader inject`` does; a matter of ten seconds or more.

    Args:
        directory: where to write it, a new directory; None keeps it in memory.
        seed: which bugs, at which places: the same seed builds the same exercise.
        bugs: how many, 1 to 6; four unless ``operators`` say otherwise.
        operators: these bugs, by their ids in the catalogue.
        difficulty: of each bug; None for any.
        source: a directory with a correct GPT to plant them in: a model.py and train.py that keep the contract, or a
            model.py of any kind with an adapter.py; None for the built-in ones.
        keep_extensions: leave cache, classifier and heads built, and plant bugs in them too.
        force: replace an exercise that is in ``directory``.
        isolation: of the processes that run the code, as for ``grade``.

    Raises:
        UsageError: the recipe cannot be met, or ``directory`` is taken.
        CannotJudge: the machine failed, or cannot isolate.
    """
    from grader.injection.build import build
    from grader.injection.folder import check_target, write
    from grader.injection.origin import read_reference
    from grader.injection.recipe import DEFAULT_BUGS, Recipe
    from grader.sandbox.client import Launcher

    require_docstrings()
    names = names_given("operators", operators)
    if bugs is not None and names:
        raise UsageError(f"bugs={bugs!r} with operators={names!r}; expected one of the two")
    recipe = Recipe(
        seed=seed,
        bugs=DEFAULT_BUGS if bugs is None else bugs,
        operators=names,
        difficulty=difficulty,
        keep_extensions=keep_extensions,
    )
    target = None if directory is None else directory_given("directory", directory)
    if target is not None:
        check_target(target, force=force)
    hidden, reference = read_reference(None if source is None else directory_given("source", source))
    chosen = isolation_given(isolation)
    with naming_the_way_out('isolation="process"'), Launcher(chosen, hidden=[hidden]) as launcher:
        built = build(recipe, reference, launcher, lambda _: None)
    if target is None:
        return built.exercise
    write(built, target)
    return read_exercise(target)
