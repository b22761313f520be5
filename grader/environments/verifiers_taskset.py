"""A taskset for verifiers (0.4): exercises as tasks, and the grader as their reward.

Installed with the extra ``verifiers``. Its loader finds a taskset by the name of an installed package, which
``grader export --format verifiers`` writes: a few lines that name an exercise for ``ExerciseTaskset`` here.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self
from weakref import WeakKeyDictionary

import verifiers.v1 as vf
from pydantic import Field, model_validator
from verifiers.v1.errors import TaskError

from grader import api
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
from grader.limits import AGENT_GRADES_MAX_AT_ONCE, SUBMISSION_FILE_MAX_BYTES

WHERE: Final = "the directory where you start"
ENDLESS: Final = "-"  # after a seed, at the end of ``seeds``
# Whose turn it is to grade, in each event loop: a task is made anew for each rollout.
_TURNS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, asyncio.Semaphore]]] = WeakKeyDictionary()


class ExerciseTaskConfig(vf.TaskConfig):
    """How submissions are graded: ``--env.taskset.task.isolation process``."""

    isolation: api.Isolation | None = None
    """How a submission is run; strict on Linux without it."""
    at_once: int = Field(AGENT_GRADES_MAX_AT_ONCE, ge=1)
    """Grades that run side by side in this process; each keeps some two cores busy."""


class ExerciseConfig(vf.TasksetConfig):
    """Which exercises: ``--env.taskset.seeds 0-9``. Without anything, the one that the package holds."""

    task: ExerciseTaskConfig = ExerciseTaskConfig()
    exercise: Path | None = None
    """A directory that holds one, as `grader inject` makes it."""
    seeds: str | None = None
    """Fresh ones, one for each: `0-9` or `3,5,7`, or `0-` for no end of them. Each takes some ten seconds or more to
    build, the first time."""
    bugs: int = 3
    """In each fresh one."""
    difficulty: Literal["easy", "medium", "hard"] | None = None
    """Of each bug of a fresh one; any without it."""
    cache: Path | None = None
    """Where fresh ones are kept, with their solutions; without it in the user's cache."""
    image: str | None = None
    """The image in which the agent works, with Python, PyTorch and pytest; it has no network then. Without it the
    runtime's own, or none."""
    user: str | None = None
    """Whom the agent is in that image, and to whom the files belong."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.exercise is not None and self.seeds is not None:
            raise ValueError(f"exercise={str(self.exercise)!r} with seeds={self.seeds!r}; expected one of the two")
        return self


class ExerciseData(vf.TaskData):
    """What travels of a task: where its exercise lies on this machine, never what is in it."""

    exercise: str
    """Its directory; empty for the built-in one."""
    sha256: str
    """Of the exercise: another one in its place is not graded."""


class ExerciseTask(vf.Task[ExerciseData, vf.State, ExerciseTaskConfig]):
    """One exercise: the starter for the agent's runtime, and a grade, on this machine, of what is left there."""

    @property
    def key(self) -> str:
        """The exercise, wherever it lies."""
        return self.data.sha256

    async def setup(self, trace: vf.Trace, runtime: vf.Runtime) -> None:
        """Put the starter where the agent starts; nothing else of the exercise goes there."""
        files = agents_files(handed_out(self.data.exercise, self.data.sha256))
        await _written(runtime, files)
        if self.data.agent_user is not None:
            done = await runtime.run(["chown", "-R", f"{self.data.agent_user}:", "."], {})
            if done.exit_code:
                raise TaskError(f"the files cannot be handed to {self.data.agent_user!r}: {done.stderr.strip()[-500:]}")

    @vf.reward
    async def reward(self, trace: vf.Trace, runtime: vf.Runtime) -> float:
        """The share of the points, from 0 to 1. Each item, and whether all is solved, are metrics.

        Raises:
            TaskError: there is no verdict, and so no reward.
        """
        result = await self._graded(runtime)
        earned = rewards(result)
        trace.info["grader"] = {
            "statuses": {item.id: str(item.status) for item in result.items},
            "remaining_bugs": None if result.remaining_bugs is None else list(result.remaining_bugs),
            "seed": result.environment.seed,
            "isolation": result.environment.isolation.mode,
            "candidate_sha256": result.candidate.sha256,
        }
        if earned is None:
            raise TaskError(f"not judged:\n{in_words(result)}")
        trace.record_metrics({name: value for name, value in earned.items() if name != "reward"})
        return earned["reward"]

    async def validate(self, runtime: vf.Runtime) -> bool:
        """Whether the solution, put where the agent would have worked, earns everything. No agent is in there then."""
        exercise = handed_out(self.data.exercise, self.data.sha256)
        await _written(runtime, exercise.reference)
        earned = rewards(await self._graded(runtime))
        if earned is None:
            raise TaskError("not judged: the machine or the grader failed")
        return earned["solved"] == 1.0

    async def _graded(self, runtime: vf.Runtime) -> api.Result:
        try:
            files = await left_in(_Sandbox(runtime))
            exercise = handed_out(self.data.exercise, self.data.sha256)
            grading = partial(
                api.grade, files, exercise, followups=False, explain=False, isolation=self.config.isolation
            )
            async with self._turn():
                return await asyncio.to_thread(grading)  # made and ended in one thread, which its processes belong to
        except (api.GraderError, OSError) as error:
            raise TaskError(f"not judged: {error}") from error

    def _turn(self) -> asyncio.Semaphore:
        turns = _TURNS.setdefault(asyncio.get_running_loop(), {})
        return turns.setdefault(self.config.at_once, asyncio.Semaphore(self.config.at_once))


class ExerciseTaskset(vf.Taskset[ExerciseTask, ExerciseConfig]):
    """The tasks of one exercise, or of one fresh exercise for each seed.

    Attributes:
        HELD: the exercise that the package of a subclass holds; None is the built-in one.
    """

    HELD: ClassVar[Path | None] = None

    def __init__(self, config: ExerciseConfig) -> None:
        super().__init__(config)
        self.INFINITE = config.seeds is not None and config.seeds.endswith(ENDLESS)

    def load(self) -> Iterator[ExerciseTask]:
        """A task for each exercise, built when it is asked for."""
        yield from (ExerciseTask(self._data(exercise), self.config.task) for exercise in self._exercises())

    def _exercises(self) -> Iterator[StoredExercise]:
        config = self.config
        if config.seeds is None:
            held = config.exercise or self.HELD
            yield builtin_exercise() if held is None else read_exercise(held)
            return
        for seed in _seeds(config.seeds):
            yield drawn_exercise(seed, config.bugs, config.difficulty, config.cache)

    def _data(self, exercise: StoredExercise) -> ExerciseData:
        alone: dict[str, Any] = {} if self.config.image is None else {"network_allow": []}
        return ExerciseData(
            id=exercise.rubric.id,
            name=exercise.rubric.id,
            description=exercise.rubric.title,
            prompt=instruction(agents_files(exercise), WHERE),
            image=self.config.image,
            agent_user=self.config.user,
            exercise=reference_of(exercise),
            sha256=exercise.sha256,
            **alone,
        )


class _Sandbox:
    """The agent's runtime."""

    def __init__(self, runtime: vf.Runtime) -> None:
        self._runtime = runtime

    async def output_of(self, command: Sequence[str]) -> str | None:
        done = await self._runtime.run([*command], {})
        return None if done.exit_code else done.stdout

    async def read(self, name: str) -> bytes:
        # One more byte than a file may have: it is then seen to be too large, and left out with that reason.
        return await self._runtime.read(name, max_bytes=SUBMISSION_FILE_MAX_BYTES + 1)

    async def answer(self) -> None:
        done = await self._runtime.run(["sh", "-c", ":"], {})
        if done.exit_code:
            raise OSError(done.stderr.strip()[-500:] or f"exit {done.exit_code}")


async def _written(runtime: vf.Runtime, files: dict[str, str]) -> None:
    for name, text in files.items():
        await runtime.write(name, text.encode())


def _seeds(text: str) -> Iterator[int]:
    """The seeds that something like ``0-9`` or ``3,5-`` names. Raises ``UsageError``."""
    if not text.endswith(ENDLESS):
        yield from seeds_named(text)
        return
    *named, last = seeds_named(text.removesuffix(ENDLESS))
    yield from named
    yield from count(last)
