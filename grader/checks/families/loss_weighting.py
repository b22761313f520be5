"""Checks of how two losses are weighed against each other."""

from typing import Final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec import Struct
from msgspec.structs import asdict

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close, same_bits
from grader.checks.families.classifier import learns_any_map
from grader.checks.families.learning_rate import learning_rate_schedule
from grader.checks.families.masking import past_is_seen
from grader.checks.families.position import position_row_reach, same_token_other_position
from grader.checks.families.projection import forward_runs
from grader.checks.prefix_parity import CLASS_WEIGHT, CONFIG, STEPS, ParityTask, parity_task, train_settings
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.packages.package import Package
from grader.packages.trouble import Trouble
from grader.sandbox.questions import (
    AnyQuestion,
    Classify,
    ClassWeights,
    FitWeighted,
    GradientNorms,
    Settings,
    Uncertainty,
    Weighting,
)
from grader.sandbox.wire import Array, Tensors

# Cases for the ways to weigh two losses.

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


@check(cases=train_cases(), examples=1)
def weighting_is_built(case: TrainCase, context: Context) -> None:
    """At least one way to weigh two losses is built.

    ## Why it matters
    Each way is judged by itself. Before that there has to be one.

    ## Usual causes
    - The functions still raise NotImplementedError, or have other names.
    """
    # The schedules, the weighing by uncertainty or that by gradient norms: one of them gives an answer.
    ones = {"losses": np.array([1.0, 1.0]), "log_variances": np.zeros(2)}
    ways: tuple[tuple[AnyQuestion, Tensors], ...] = (
        (ClassWeights(train=case.config, steps=(0,)), {}),
        (Uncertainty(), ones),
        (norms_question(case, context), case.batches(context.seeds)),
    )
    failures: list[Trouble] = []
    for question, tensors in ways:
        try:
            context.ask(question, tensors)
        except Trouble as trouble:
            failures.append(trouble)
        else:
            return
    raise failures[0]


SCHEDULES = {
    "constant": "constant_weight is config.class_weight at every step",
    "warm_up": "warmup_weight rises as the learning rate does, and ends at config.class_weight",
}
FUNCTIONS = {"constant": "constant_weight", "warm_up": "warmup_weight"}


def _class_weight_schedules_snippet(case: ScheduleCase) -> str:
    """The weights from step to step, and the last one."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from train import TrainConfig, constant_weight, warmup_weight

config = TrainConfig({settings})
rising = [warmup_weight(step, config) for step in range(config.warmup + 1)]
print(rising, constant_weight(0, config), constant_weight({case.at[-1]}, config))
for step in (0, config.warmup, {case.at[-1]}):
    assert constant_weight(step, config) == config.class_weight, "the constant weight differs"
for step, weight in enumerate(rising):
    right = config.class_weight * min(1, (step + 1) / config.warmup)
    assert abs(weight - right) <= 1e-9, f"at step {{step}} the weight is {{weight}}, not {{right}}"
"""


@check(
    needs=(learning_rate_schedule,),
    cases=schedule_cases(),
    snippet=_class_weight_schedules_snippet,
    examples=3,
)
def class_weight_schedules(case: ScheduleCase, context: Context) -> None:
    """The classifier's weight is config.class_weight: at every step, or after a linear warm-up that starts above zero.

    ## Why it matters
    A schedule is what one tries first when one objective drowns the other, and what a run is compared with later. If
    the weight that was configured is never reached, the comparison is with something else than intended.

    ## Usual causes
    - The warm-up ends in the learning rate times the weight, or in another weight.
    - It starts at zero, so that the first batch is lost to the classifier, or never ends.
    - The constant weight follows the step, or leaves the configuration alone.
    """
    # Both schedules, early and late.
    answer, expected = context.both(ClassWeights(train=case.config, steps=case.at), {})
    for name, claim in SCHEDULES.items():
        got, wanted = answer[name], expected[name]
        wrong = np.flatnonzero(~(np.abs(got - wanted) <= 1e-12 * np.abs(wanted)))
        if len(wrong):
            i = wrong[0]
            raise CheckFailed(
                name,
                claim,
                f"with class_weight={case.class_weight} and warmup={case.warmup}, "
                f"{FUNCTIONS[name]}({case.at[i]}, config) is {float(got[i])!r}",
                expected=repr(float(wanted[i])),
            )


FORMULA = {
    "total": "the total is the sum of exp(-s) * loss + s / 2 over both objectives",
    "grad.losses": "a loss counts in the total with exp(-s)",
    "grad.log_variances": "the total changes with a log variance s by -exp(-s) * loss + 1 / 2",
    "after": "the log variances are read, and left as they are",
}


def _uncertainty_by_formula_snippet(case: LossesCase) -> str:
    """The formula, written out."""
    return f"""import torch
from train import uncertainty_weighting

lm_loss, class_loss = (torch.tensor(x, dtype=torch.float64) for x in ({case.lm_loss}, {case.class_loss}))
s = torch.tensor([{case.lm_log_variance}, {case.class_log_variance}], dtype=torch.float64, requires_grad=True)
right = (-s[0]).exp() * lm_loss + s[0] / 2 + (-s[1]).exp() * class_loss + s[1] / 2
total = uncertainty_weighting(lm_loss, class_loss, s)
print(float(total), float(right))
assert abs(total - right) <= 1e-9, "the total differs"
(gradient,), (wanted,) = torch.autograd.grad(total, s), torch.autograd.grad(right, s)
print(gradient, wanted)
assert (gradient - wanted).abs().max() <= 1e-9, "the log variances would learn something else"
"""


@check(cases=losses_cases(), snippet=_uncertainty_by_formula_snippet, examples=3)
def uncertainty_by_formula(case: LossesCase, context: Context) -> None:
    """Weighing by uncertainty adds exp(-s) * loss + s / 2 of each objective, and its log variance s can be learned.

    ## Why it matters
    The log variances are learned with the model. With a sign or a term that is wrong they still move, and nothing shows
    but weights that run away: towards nothing, or towards more and more of one objective.

    ## Usual causes
    - The sign of the log variance is lost, so that what is uncertain counts more.
    - Without the term s / 2, the smallest total is that of weights that are all zero.
    - The log variances of the two objectives are swapped, or something is detached.
    """
    # The total, and where its gradients go, by their formulas.
    losses = np.array([case.lm_loss, case.class_loss])
    log_variances = np.array([case.lm_log_variance, case.class_log_variance])
    answer = context.ask(Uncertainty(), {"losses": losses, "log_variances": log_variances})
    for name, wanted in _by_formula(losses, log_variances).items():
        if not close(answer[name], wanted, "scalar loss, float64"):
            raise CheckFailed(
                name,
                FORMULA[name],
                f"of losses {losses.tolist()} and log variances {log_variances.tolist()} it is "
                f"{answer[name].tolist()!r}, not {wanted.tolist()!r}",
            )


def _by_formula(losses: Array, log_variances: Array) -> dict[str, Array]:
    counts = np.exp(-log_variances)
    return {
        "total": np.array((counts * losses + log_variances / 2).sum()),
        "grad.losses": counts,
        "grad.log_variances": 0.5 - counts * losses,
        "after": log_variances,
    }


# A safeguard against a norm of zero, such as 1e-6 added to it, moves the weight by 3e-5 at most; a head that is counted
# by 5e-2 at least.
SLACK: Final = 1e-3


def _gradient_norms_balance_snippet(case: TrainCase) -> str:
    """A model whose two losses share one table."""
    return two_losses_snippet(
        case,
        """
weight = gradient_norm_weight(model, lm_loss, class_loss)
shared = model["trunk"].weight
lm, classes = (torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in (lm_loss, class_loss))
print(float(lm), float(weight * classes))
assert abs(weight * classes - lm) <= 1e-3 * lm, "one objective pulls harder than the other at what they share"
""",
    )


NORM_CASES: Final = train_cases(steps=(1, 2))


@check(cases=NORM_CASES, snippet=_gradient_norms_balance_snippet, examples=3)
def gradient_norms_balance(case: TrainCase, context: Context) -> None:
    """Weighed by gradient norms, both objectives pull equally hard at the parameters that they share.

    ## Why it matters
    Which objective shapes the model is decided where they meet. Losses of one size can have gradients a hundred times
    apart, and the one with the small gradient does not get a say.

    ## Usual causes
    - The ratio is upside down: what is strong already gets stronger.
    - Parameters that only one of the two reaches, such as its head, are counted.
    - The norms are those of the losses, or of gradients that were left over from before.
    """
    # The lengths of both gradients on a model of the grader's, with the weight on the classifier's.
    answer = context.ask(norms_question(case, context), case.batches(context.seeds))
    for i in range(case.steps):
        lm, classes = _shared_gradients(answer, i)
        pulls = float(np.linalg.norm(lm)), float(answer["weight"][i]) * float(np.linalg.norm(classes))
        if not abs(pulls[1] - pulls[0]) <= SLACK * pulls[0]:
            raise CheckFailed(
                "unbalanced",
                "on the parameters that both losses reach, weight * the gradient of the class loss is as long as that "
                "of the LM loss",
                f"in batch {i} the LM loss's is {pulls[0]:.6g} long and, with weight {float(answer['weight'][i]):.6g}, "
                f"the class loss's {pulls[1]:.6g}",
            )


def norms_question(case: TrainCase, context: Context) -> GradientNorms:
    """The weight for each of the case's batches, on a stand-in with a classifier."""
    return GradientNorms(
        train=case.config,
        width=STAND_IN_WIDTH,
        n_classes=N_CLASSES,
        weights=case.weights(context.seeds),
        precision="float64",
    )


def _shared_gradients(answer: Tensors, batch: int) -> tuple[Array, Array]:
    """Both losses' gradients by the parameters that both reach, each as one long vector."""
    lm, classes = (_gradients(answer, f"{loss}.{batch}.") for loss in ("lm", "class"))
    shared = sorted(lm.keys() & classes.keys())
    return np.concatenate([lm[name] for name in shared]), np.concatenate([classes[name] for name in shared])


def _gradients(answer: Tensors, prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array.ravel() for name, array in answer.items() if name.startswith(prefix)}


WORDS = {"mode": "the model's mode", "rng": "the random generator's state"}


def _weighing_leaves_no_trace_snippet(case: TrainCase) -> str:
    """Gradients from before, and an update afterwards."""
    return two_losses_snippet(
        case,
        """
for parameter in model.parameters():
    parameter.grad = torch.ones_like(parameter)  # left by somebody else
first = float(gradient_norm_weight(model, lm_loss, class_loss))
for name, parameter in model.named_parameters():
    assert parameter.grad is not None and bool((parameter.grad == 1).all()), f"the gradient of {name} was changed"
try:
    (lm_loss + first * class_loss).backward(retain_graph=True)
except RuntimeError as error:
    raise AssertionError("the losses cannot be differentiated any more") from error
again = float(gradient_norm_weight(model, lm_loss, class_loss))
print(first, again)
assert first == again, "the second answer differs"
""",
    )


@check(cases=NORM_CASES, snippet=_weighing_leaves_no_trace_snippet, examples=2)
def weighing_leaves_no_trace(case: TrainCase, context: Context) -> None:
    """To measure gradient norms changes nothing: gradients, parameters, modes and random state, and what is yet to
    come.

    ## Why it matters
    The weight is worked out in the middle of an update. What it leaves behind in the gradients is added to the next
    step, and a loss that can no longer be differentiated ends the run.

    ## Usual causes
    - backward() is called, which adds to every parameter's .grad, or .grad is cleared.
    - The losses are differentiated without retain_graph, so that the update itself cannot be any more.
    - Something is remembered from one call to the next.
    """
    # The state before beside the state after, the losses themselves, and the same weight once more.
    answer = context.ask(norms_question(case, context), case.batches(context.seeds))
    for name in (name for name in answer if name.startswith("before.")):
        what = name.removeprefix("before.")
        after: Array | None = answer.get(f"after.{what}")
        if after is None or not same_bits(after, answer[name]):
            raise CheckFailed(
                "state",
                "gradient_norm_weight leaves gradients, parameters, modes and random state as they were",
                f"it changed {WORDS.get(what, what.replace('grad.', 'the .grad of '))}",
            )
    if not answer["usable"].all():
        raise CheckFailed(
            "graph",
            "after gradient_norm_weight both losses can be differentiated, as the update has to",
            "they cannot: what they were computed from is gone",
        )
    if not same_bits(answer["again"], answer["weight"]):
        raise CheckFailed(
            "again",
            "asked twice about the same losses, gradient_norm_weight answers the same",
            f"it answers {answer['weight'].tolist()}, and then {answer['again'].tolist()}",
        )


RUNS: Final = 3  # each with data and an initialisation of its own
BALANCED: Final[tuple[Weighting, ...]] = ("uncertainty", "gradient-norm")
# Of the mean held-out accuracy of the runs. With either way to balance a right solution was seen to be 0.31 better,
# with a standard deviation of 0.04 (in 18 grades 0.26 at least; 0.15 under a mask that shows the next token). Without
# positions no model learns the task, and balancing was 0.06 better at most.
MARGIN: Final = 0.1
LM_SHARE: Final = 0.9  # of the LM loss at the start, at most, is left at the end
ENDS: Final = 5  # steps that count as the start, and as the end

BALANCING_BEATS: Final = (
    f"after {STEPS} steps on the parity of all tokens so far, balancing (by uncertainty or by gradient norms) has "
    f"{MARGIN:.0%} more of held-out tokens right than constant_weight at class_weight={CLASS_WEIGHT}, and the LM loss "
    "has fallen too"
)


class ParityCase(Struct, frozen=True, kw_only=True):
    """Which data and initialisations."""

    data: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return CONFIG


@check(
    needs=(forward_runs, past_is_seen, same_token_other_position, position_row_reach, learns_any_map),
    cases=st.builds(ParityCase, data=st.integers(0, 1)),  # few: a failing one is asked again for each there is
    examples=1,
    costly=True,
)
def balancing_beats_constant(case: ParityCase, context: Context) -> None:
    """Where a constant weight leaves the classifier behind, balancing lets it learn beside the language model.

    ## Why it matters
    One loss falls, so the run looks healthy, while the other objective gets nothing of the model. Balancing is worth
    its price if it fixes that, without ruining what went well.

    ## Usual causes
    - The weights are worked out and do not reach the total, or the wrong objective gets them.
    - What balances one objective starves the other.
    - The class loss trains the head alone, and no weight can make up for that.
    """
    # Mean accuracies over a few runs: with a constant weight, and with one way to balance or the other.
    tasks = [parity_task(context.seeds.derive("parity", case.data, run)) for run in range(RUNS)]
    constant = _constant(case, context, tasks)
    reached = []
    for weighting in BALANCED:
        accuracy, lm_share = _balanced(case, context, tasks, weighting)
        if accuracy >= constant + MARGIN and lm_share <= LM_SHARE:
            return
        reached.append(f"{accuracy:.0%} with {weighting} balancing (LM loss at {lm_share:.0%} of what it was)")
    seen = f"in the mean of {RUNS} runs {constant:.0%} are right with a constant weight, {' and '.join(reached)}"
    raise CheckFailed("no-better", BALANCING_BEATS, seen)


def _constant(case: ParityCase, context: Context, tasks: list[ParityTask]) -> float:
    """Of the candidate's runs and the matched variant's the better: running badly gains nothing here."""
    own, variant = [], []
    for run, task in enumerate(tasks):
        one, other = context.both(_question(case, context, run, "constant"), task.training)
        own.append(_accuracy(one, task, context.fresh_candidate))
        variant.append(_accuracy(other, task, context.variant))
    return max(float(np.mean(own)), float(np.mean(variant)))


def _balanced(case: ParityCase, context: Context, tasks: list[ParityTask], weighting: Weighting) -> tuple[float, float]:
    """The mean accuracy, and what is left of the LM loss at the end, as a share of that at the start."""
    accuracies, shares = [], []
    for run, task in enumerate(tasks):
        trained = context.ask(_question(case, context, run, weighting), task.training)
        accuracies.append(_accuracy(trained, task, context.fresh_candidate))
        shares.append(trained["lm_losses"][-ENDS:].mean() / trained["lm_losses"][:ENDS].mean())
    return float(np.mean(accuracies)), float(np.mean(shares))


def _question(case: ParityCase, context: Context, run: int, weighting: Weighting) -> FitWeighted:
    seed = context.seeds.derive("parity init", case.data, run) % 2**31
    return FitWeighted(config=CONFIG, train=train_settings(), seed=seed, weighting=weighting)


def _accuracy(trained: Tensors, task: ParityTask, package: Package) -> float:
    """Share of held-out tokens, predicted by a worker that has never seen a label."""
    state = {name: array for name, array in trained.items() if name.startswith("state.")}
    scores = package.ask(Classify(config=CONFIG), {**state, "tokens": task.tokens})["class_logits"]
    if scores.shape != (*task.tokens.shape, 2):
        raise CheckFailed("class-shape", BALANCING_BEATS, f"class logits have shape {tuple(scores.shape)}")
    return float((scores.argmax(axis=-1) == task.labels).mean())
