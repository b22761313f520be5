"""Tasks for Inspect (inspect_ai): exercises as samples, an agent in a sandbox, and the grader as the scorer.

Installed with the extra ``inspect-ai``: ``inspect eval grader/debug_gpt -T seeds=0-9 -T bugs=3``. What asks no model:
``inspect eval grader/debug_gpt_builtin --solver grader/hand_in -S folder=DIR --model mockllm/model``.
"""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal, get_args

import anyio
from inspect_ai import Task, task
from inspect_ai.agent import react
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import bash, text_editor
from inspect_ai.util import OutputLimitExceededError, concurrency
from inspect_ai.util import sandbox as the_sandbox

from grader import api
from grader.api import Isolation
from grader.environments.episode import (
    agents_files,
    drawn_exercise,
    handed_out,
    in_words,
    instruction,
    reference_of,
    rewards,
)
from grader.environments.sandbox_files import left_in
from grader.exercise.model import StoredExercise, builtin_exercise, read_exercise
from grader.injection.recipe import seeds_named
from grader.limits import AGENT_GRADES_MAX_AT_ONCE, AGENT_MAX_MESSAGES
from grader.result.record import Result
from grader.submission.read import read_submission

logger = logging.getLogger(__name__)

COMPOSE: Final = Path(__file__).parent / "image" / "compose.yaml"
AGENT: Final = "agent"  # an ordinary user of the image: what the scorer needs is out of its reach
HAND_OVER: Final = f"#!/bin/sh\nchown -R {AGENT}: /work\n"  # Inspect writes a sample's files as root
ALWAYS_THERE: Final = "/etc/passwd"  # asked for where nothing else was read: does the sandbox answer at all?


def _name(of: str) -> str:
    """The name that Inspect gets for a task, so that it is ``grader/...`` in the end.

    Inspect itself puts the package in front where that lies among installed ones. Where it is editable, Inspect does so
    only if the distribution is called as the package is, and ours is not.
    """
    installed = {"site-packages", "dist-packages"} & set(Path(__file__).parts)
    return of if installed else f"{__package__.partition('.')[0]}/{of}"


@task(name=_name("debug_gpt"))
def debug_gpt(
    seeds: str | int | list[str | int] = "0-9",
    bugs: int = 3,
    difficulty: Literal["easy", "medium", "hard"] | None = None,
    exercise: str | None = None,
    cache: str | None = None,
    sandbox: str = "docker",
    isolation: Isolation | None = None,
    at_once: int = AGENT_GRADES_MAX_AT_ONCE,
) -> Task:
    """Find the bugs of a GPT and its training loop, and build what is missing: one fresh exercise for each seed.

    Args:
        seeds: which exercises, such as 0-9 or 3,5,7; each takes some ten seconds or more to build, the first time.
        bugs: in each.
        difficulty: of each bug; any without it.
        exercise: a directory that holds one, as `grader inject` makes it, in place of fresh ones.
        cache: where fresh ones are kept, with their solutions; without it in the user's cache.
        sandbox: where the agent works. "local" runs what it likes on this machine.
        isolation: how submissions are run; strict on Linux without it.
        at_once: how many grades are made side by side.
    """
    if exercise is not None:
        exercises = [read_exercise(Path(exercise))]
    else:
        kept_in = None if cache is None else Path(cache)
        exercises = [drawn_exercise(seed, bugs, difficulty, kept_in) for seed in seeds_named(seeds)]
    return _task(exercises, sandbox, rubric(isolation, at_once))


@task(name=_name("debug_gpt_builtin"))
def debug_gpt_builtin(
    sandbox: str = "docker", isolation: Isolation | None = None, at_once: int = AGENT_GRADES_MAX_AT_ONCE
) -> Task:
    """The built-in exercise: four known bugs and two extensions. Its solution is public."""
    return _task([builtin_exercise()], sandbox, rubric(isolation, at_once))


def _task(exercises: Iterable[StoredExercise], where: str, scorer: Scorer) -> Task:
    ours = where == "docker"  # only our own image has the user
    user = AGENT if ours else None
    return Task(
        dataset=[_sample(exercise, HAND_OVER if ours else None) for exercise in exercises],
        solver=react(tools=[bash(timeout=180, user=user), text_editor(timeout=180, user=user)]),
        scorer=scorer,
        sandbox=("docker", str(COMPOSE)) if ours else where,
        message_limit=AGENT_MAX_MESSAGES,
    )


def _sample(exercise: StoredExercise, setup: str | None) -> Sample:
    """One exercise. The model sees the instruction and the files; where the solution lies is for the scorer alone."""
    starter = agents_files(exercise)
    return Sample(
        id=exercise.rubric.id,
        input=instruction(starter, "the working directory"),
        target="every item fixed or built",
        files=starter,
        setup=setup,
        metadata={"exercise": reference_of(exercise), "sha256": exercise.sha256},
    )


@solver(name=_name("hand_in"))
def hand_in(folder: str | None = None) -> Solver:
    """Put the ``.py`` files of a folder of this machine into the sandbox, and ask no model; without one, do nothing.

    The starter, a solution or a stored submission passes through the whole task so, offline.
    """
    files = {} if folder is None else read_submission(Path(folder)).files

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        for name, text in files.items():
            await the_sandbox().write_file(name, text)
        return state

    return solve


@scorer(metrics={"*": [mean(), stderr()]})
def rubric(isolation: Isolation | None = None, at_once: int = AGENT_GRADES_MAX_AT_ONCE) -> Scorer:
    """Grade what is left in the sandbox: ``score`` and each item from 0 to 1, ``solved`` 0 or 1.

    The grader reads files out of the agent's sandbox, and runs them on this machine in a locked process of its own.
    Where it cannot reach a verdict, the sample is unscored: no verdict is no 0.

    Args:
        isolation: how the submission is run; None is strict on Linux.
        at_once: how many grades are made side by side.
    """
    if isolation not in (None, *get_args(Isolation)):
        raise api.UsageError(f"isolation={isolation!r}; expected 'strict' or 'process'")
    if at_once < 1:
        raise api.UsageError(f"at_once={at_once!r}; expected 1 or more grades side by side")

    async def score(state: TaskState, target: Target) -> Score:
        try:
            files = await left_in(_Sandbox())
            exercise = handed_out(state.metadata["exercise"], state.metadata["sha256"])
            async with concurrency("grader", at_once):
                # Made and ended in one thread, which the processes of the grade belong to.
                grading = partial(api.grade, files, exercise, followups=False, explain=False, isolation=isolation)
                result = await anyio.to_thread.run_sync(grading)
            return _score(result)
        except (api.GraderError, OSError) as error:
            return Score.unscored(reason="scoring_failed", explanation=f"Not judged: {error}")
        except Exception as error:  # it would end the evaluation, and with it all other samples
            logger.exception("the sample %r could not be scored", state.sample_id)
            return Score.unscored(reason="scoring_failed", explanation=f"Not judged: {type(error).__name__}: {error}")

    return score


class _Sandbox:
    """That of the sample being scored."""

    async def output_of(self, command: Sequence[str]) -> str | None:
        # With a limit of its own, Inspect would start the sandbox's `timeout`, which may not be there either.
        done = await the_sandbox().exec([*command])
        return done.stdout if done.success else None

    async def read(self, name: str) -> bytes:
        return await the_sandbox().read_file(name, text=False)

    async def answer(self) -> None:
        with suppress(FileNotFoundError, PermissionError, OutputLimitExceededError):  # these are answers too
            await the_sandbox().read_file(ALWAYS_THERE, text=False)


def _score(result: Result) -> Score:
    explanation = in_words(result)
    earned = rewards(result)
    if earned is None:
        return Score.unscored(reason="scoring_failed", explanation=f"Not judged:\n{explanation}")
    return Score(
        value={"score" if name == "reward" else name: value for name, value in earned.items()},
        answer=result.candidate.sha256,
        explanation=explanation,
        metadata={
            "statuses": {item.id: str(item.status) for item in result.items},
            "remaining_bugs": None if result.remaining_bugs is None else list(result.remaining_bugs),
            "seed": result.environment.seed,
            "isolation": result.environment.isolation.mode,
            "seconds": result.seconds,
        },
    )
