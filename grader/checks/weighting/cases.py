"""Cases for the ways to weigh two losses."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec import Struct
from msgspec.structs import asdict

from grader.checks.training.cases import TrainCase, train_cases
from grader.sandbox.questions import Settings

LOSSES = (0.125, 0.75, 2.5, 4.0)
LOG_VARIANCES = (-1.5, -0.5, 0.25, 1.0)
N_CLASSES = 2


class ScheduleCase(TrainCase, frozen=True, kw_only=True):
    """A training configuration with a weight for the classifier's loss, and the steps at which it is asked for."""

    class_weight: float
    at: tuple[int, ...]

    @property
    def config(self) -> Settings:
        """TrainConfig fields."""
        return {**super().config, "class_weight": self.class_weight}


class LossesCase(Struct, frozen=True, kw_only=True):
    """Two losses, the language model's and the classifier's, and the log variance of each."""

    lm_loss: float
    class_loss: float
    lm_log_variance: float
    class_log_variance: float

    @property
    def config(self) -> Settings:
        """What is shown of the case."""
        return asdict(self)


@st.composite
def schedule_cases(draw: DrawFn) -> ScheduleCase:
    """A warm-up of several steps; its end, steps near it, and far beyond."""
    case = draw(train_cases(warmup=(2, 3, 5, 10)))
    near = draw(st.lists(st.integers(1, 12), min_size=2, max_size=4, unique=True))
    steps = {0, case.warmup - 1, case.warmup, *near, draw(st.integers(13, 2000))}
    return ScheduleCase(**asdict(case), class_weight=draw(st.sampled_from((0.05, 0.3, 2.5))), at=tuple(sorted(steps)))


@st.composite
def losses_cases(draw: DrawFn) -> LossesCase:
    """Losses and log variances that are all different, so that no two can be taken for each other."""
    losses = draw(st.lists(st.sampled_from(LOSSES), min_size=2, max_size=2, unique=True))
    log_variances = draw(st.lists(st.sampled_from(LOG_VARIANCES), min_size=2, max_size=2, unique=True))
    return LossesCase(
        lm_loss=losses[0],
        class_loss=losses[1],
        lm_log_variance=log_variances[0],
        class_log_variance=log_variances[1],
    )


def two_losses_snippet(case: TrainCase, body: str) -> str:
    """A script with a model that two losses share in part, then ``body``."""
    return f"""import torch
from torch import nn
from train import gradient_norm_weight

torch.manual_seed(0)
model = nn.ModuleDict({{"trunk": nn.Embedding({case.vocab_size}, 6), "lm": nn.Linear(6, {case.vocab_size}),
                       "classes": nn.Linear(6, 2)}}).double()
tokens = torch.randint({case.vocab_size}, ({8 * case.batch_size},))
hidden = model["trunk"](tokens)  # what both objectives share
lm_loss = nn.functional.cross_entropy(model["lm"](hidden), tokens.flip(0))
class_loss = nn.functional.cross_entropy(model["classes"](hidden), tokens % 2)
{body.strip()}
"""
