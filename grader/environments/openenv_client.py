"""What goes between an agent and the OpenEnv server of an exercise: actions, observations, the state, and the client.

Needs openenv alone: ``grader export --format openenv`` puts this file, as it is, beside the server.
"""

from typing import Any, Final, Self

from openenv.core import EnvClient
from openenv.core.client_types import StepResult
from openenv.core.env_server.types import Action, Observation, State
from pydantic import Field, model_validator

ANSWER_SECONDS: Final = 900.0  # for the server to build an exercise, or to grade on a busy machine


class ExerciseAction(Action):
    """Either files to write, or the word that this is all."""

    files: dict[str, str] = Field(default_factory=dict, description="text of files to write, by name")
    submit: bool = Field(default=False, description="hand in what is there: it is graded, and the episode ends")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if bool(self.files) == self.submit:
            raise ValueError("expected one of the two: files to write, or submit=true")
        return self


class ExerciseObservation(Observation):
    """What the agent sees. ``reward`` is None until a verdict is reached, and stays None where none could be."""

    instruction: str = Field(default="", description="the task; after a reset alone")
    files: dict[str, str] = Field(default_factory=dict, description="the starter by name; after a reset alone")
    message: str = Field(default="", description="what came of the action")
    items: dict[str, float] | None = Field(default=None, description="0 to 1 for each item; None without a verdict")
    solved: bool | None = Field(default=None, description="whether every item has all; None without a verdict")


class ExerciseState(State):
    """Where an episode stands. Nothing of the solution is in it, nor the seed."""

    exercise: str | None = Field(default=None, description="the exercise's id; None before a reset")
    written: list[str] = Field(default_factory=list, description="names of the files that are there now")
    done: bool = Field(default=False, description="whether the agent has handed in")
    judged: bool = Field(default=False, description="whether there is a verdict")


class ExerciseEnv(EnvClient[ExerciseAction, ExerciseObservation, ExerciseState]):
    """The client: ``with ExerciseEnv(base_url="http://localhost:8000").sync() as env: env.reset(seed=7)``."""

    def __init__(self, base_url: str, *, message_timeout_s: float = ANSWER_SECONDS, **options: Any) -> None:
        super().__init__(base_url, message_timeout_s=message_timeout_s, **options)

    def _step_payload(self, action: ExerciseAction) -> dict[str, Any]:
        return action.model_dump()

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[ExerciseObservation]:
        outcome = {"reward": payload.get("reward"), "done": payload.get("done", False)}
        observation = ExerciseObservation.model_validate({**payload.get("observation", {}), **outcome})
        return StepResult(observation=observation, **outcome)

    def _parse_state(self, payload: dict[str, Any]) -> ExerciseState:
        return ExerciseState.model_validate(payload)
