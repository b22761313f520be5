"""An exercise as an OpenEnv server: reset hands out a starter, a step writes files or hands in, and that is graded.

Installed with the extra ``openenv``: ``python -m grader.environments.openenv_server --port 8000``. An agent reaches the
server by its actions alone: what it writes stays text in this process, until the grader runs it in a locked one.
"""

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import uvicorn
from fastapi import FastAPI
from openenv.core.env_server.http_server import create_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import EnvironmentMetadata

from grader import __version__, api
from grader.environments.episode import NO_MODEL, agents_files, drawn_exercise, in_words, instruction, rewards
from grader.environments.openenv_client import ExerciseAction, ExerciseObservation, ExerciseState
from grader.exercise.model import StoredExercise, builtin_exercise, read_exercise
from grader.files.printable import printable
from grader.limits import AGENT_GRADES_MAX_AT_ONCE, AGENT_MAX_BYTES, AGENT_MAX_FILES, AGENT_MAX_SESSIONS

DEFAULT_BUGS: Final = 3
NAME: Final = "grader"


class ExerciseEnvironment(Environment[ExerciseAction, ExerciseObservation, ExerciseState]):
    """One episode after another, for one client.

    Args:
        held: the exercise of every episode; None draws one by the seed of each reset.
        turns: how many may be graded, or built, at once.
        isolation: how submissions are run; None is strict on Linux.
        cache: where fresh exercises are kept, with their solutions; None is in the user's cache.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(
        self,
        held: StoredExercise | None,
        turns: threading.Semaphore,
        isolation: api.Isolation | None = None,
        cache: Path | None = None,
    ) -> None:
        super().__init__()
        self._held = held
        self._turns = turns
        self._isolation = isolation
        self._cache = cache
        self._exercise: StoredExercise | None = None
        self._files: dict[str, str] = {}
        self._state = ExerciseState()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        bugs: int = DEFAULT_BUGS,
        difficulty: Any = None,
        **unknown: Any,
    ) -> ExerciseObservation:
        """A new episode, and the starter.

        Args:
            seed: of the exercise, built the first time it is asked for; None is the built-in one. Of no account to a
                server that holds one.
            bugs: in an exercise that is built.
            difficulty: "easy", "medium" or "hard", of each of them; None is any.

        Raises:
            UsageError: no such exercise can be built, or an argument has a name that is not known.
            CannotJudge: the machine failed.
        """
        if unknown:
            raise api.UsageError(f"reset got {sorted(unknown)!r}; expected seed, bugs, difficulty or episode_id")
        if self._held is not None or seed is None:
            exercise = self._held or builtin_exercise()
        else:
            with self._turns:
                exercise = drawn_exercise(seed, bugs, difficulty, self._cache)
        self._exercise = exercise
        self._files = agents_files(exercise)
        self._state = ExerciseState(
            episode_id=episode_id or str(uuid4()), exercise=exercise.rubric.id, written=sorted(self._files)
        )
        return ExerciseObservation(instruction=instruction(self._files, None), files=self._files)

    def step(self, action: ExerciseAction, timeout_s: float | None = None, **_: Any) -> ExerciseObservation:
        """Write files, or hand in.

        Raises:
            UsageError: there is no episode, or it is over, or the files cannot be written; nothing is changed then.
        """
        if self._exercise is None:
            raise api.UsageError("no episode has begun; call reset first, in the same session (the WebSocket /ws)")
        if self._state.done:
            raise api.UsageError("this episode is over; call reset for another one")
        observation = self._handed_in(self._exercise) if action.submit else self._written(action.files)
        self._state.step_count += 1
        return observation

    @property
    def state(self) -> ExerciseState:
        """Where the episode stands."""
        return self._state

    def get_metadata(self) -> EnvironmentMetadata:
        """What the server says of itself."""
        title = "Exercises drawn by seed" if self._held is None else self._held.rubric.title
        return EnvironmentMetadata(name=NAME, description=f"Find the bugs of a GPT. {title}.", version=__version__)

    def _written(self, files: dict[str, str]) -> ExerciseObservation:
        for name in files:
            if not name or name != Path(name).name or not name.isprintable():
                raise api.UsageError(f"files has {name!r}; expected names such as 'model.py', without a folder")
        after = {**self._files, **files}
        if len(after) > AGENT_MAX_FILES or sum(map(len, after.values())) > AGENT_MAX_BYTES:
            raise api.UsageError(
                f"{len(after)} files; expected {AGENT_MAX_FILES} at most, of {AGENT_MAX_BYTES >> 20} MiB together"
            )
        self._files = after
        self._state.written = sorted(after)
        return ExerciseObservation(message=f"written: {', '.join(sorted(files))}")

    def _handed_in(self, exercise: StoredExercise) -> ExerciseObservation:
        self._state.done = True
        files = {"model.py": NO_MODEL.decode(), **self._files}
        try:
            with self._turns:
                result = api.grade(files, exercise, followups=False, explain=False, isolation=self._isolation)
        except (api.GraderError, OSError) as error:
            return ExerciseObservation(done=True, message=f"not judged: {error}")
        earned = rewards(result)
        if earned is None:
            return ExerciseObservation(done=True, message=f"not judged:\n{in_words(result)}")
        self._state.judged = True
        items = {item.id: earned[item.id] for item in result.items}
        return ExerciseObservation(
            done=True, reward=earned["reward"], items=items, solved=result.full_marks, message=in_words(result)
        )


def make_app(
    exercise: Path | None = None,
    *,
    isolation: api.Isolation | None = None,
    cache: Path | None = None,
    at_once: int = AGENT_GRADES_MAX_AT_ONCE,
    sessions: int = AGENT_MAX_SESSIONS,
) -> FastAPI:
    """The server, for uvicorn.

    Args:
        exercise: the directory of the one that it holds; None draws them by seed.
        isolation: how submissions are run; None is strict on Linux.
        cache: where drawn ones are kept.
        at_once: how many are graded or built side by side.
        sessions: how many clients there may be.

    Raises:
        UsageError: there is no such exercise, or a number is below 1.
    """
    for name, number in (("at_once", at_once), ("sessions", sessions)):
        if number < 1:
            raise api.UsageError(f"{name}={number!r}; expected 1 or more")
    held = None if exercise is None else read_exercise(exercise)
    environment: Callable[[], ExerciseEnvironment] = partial(
        ExerciseEnvironment, held, threading.BoundedSemaphore(at_once), isolation, cache
    )
    return create_app(
        environment,
        ExerciseAction,
        ExerciseObservation,
        env_name=NAME,
        max_concurrent_envs=sessions,
        state_cls=ExerciseState,
    )


def main(arguments: Sequence[str] | None = None, exercise: Path | None = None) -> int:
    """Serve until interrupted; the exit code.

    Args:
        exercise: the one that is served unless the arguments name another.
    """
    parser = argparse.ArgumentParser(prog="openenv_server", description="Serve an exercise to OpenEnv's clients.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="0 for any (default: 8000)")
    parser.add_argument(
        "--exercise", type=Path, default=exercise, metavar="DIR", help="serve this one, whatever the seed"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="where exercises drawn by seed are kept")
    parser.add_argument("--isolation", choices=("strict", "process"), help="of submissions (default: strict on Linux)")
    parser.add_argument("--at-once", type=int, default=AGENT_GRADES_MAX_AT_ONCE, help="grades side by side")
    parser.add_argument("--sessions", type=int, default=AGENT_MAX_SESSIONS, help="clients at once")
    given = parser.parse_args(arguments)
    try:
        app = make_app(
            given.exercise, isolation=given.isolation, cache=given.cache, at_once=given.at_once, sessions=given.sessions
        )
    except api.GraderError as error:
        sys.stderr.write(f"openenv_server: {printable(str(error))}\n")
        return error.exit_code
    uvicorn.run(app, host=given.host, port=given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
