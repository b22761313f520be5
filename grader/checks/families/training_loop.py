"""Checks of the training step, on a stand-in model that the grader brings."""

from types import MappingProxyType
from typing import Final

import numpy as np
from hypothesis import strategies as st
from msgspec.structs import replace

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import close, finite, first_difference, same_bits
from grader.checks.families.projection import NoCase, require_defaults
from grader.checks.requirements import require_no_trace
from grader.checks.snippets import training_snippet
from grader.checks.strategies import SCALE
from grader.checks.training_cases import (
    STAND_IN_WIDTH,
    TRAIN_CASES,
    Sizes,
    TrainCase,
    any_settings,
    train_case,
    train_cases,
    whole,
)
from grader.sandbox.questions import KINDS, MakeBatch, RecordSteps, Settings, TrainConfigs, TrainSteps, WatchedTraining
from grader.sandbox.wire import Array, Tensors
from grader.sizes import RUN, Extent

CONTRACT: Final = MappingProxyType(
    {
        "vocab_size": 16,
        "seq_len": 16,
        "batch_size": 16,
        "steps": 200,
        "lr": 3e-3,
        "weight_decay": 0.1,
        "grad_clip": 1.0,
        "warmup": 10,
        "class_weight": 0.0,
        "seed": 0,
    }
)


def _train_config_defaults_snippet(_: NoCase) -> str:
    """The defaults, one by one."""
    return f"""from train import TrainConfig

for name, value in {dict(CONTRACT)!r}.items():
    assert getattr(TrainConfig(), name) == value, f"{{name}} is {{getattr(TrainConfig(), name)!r}}, not {{value!r}}"
"""


@check(cases=st.builds(NoCase), snippet=_train_config_defaults_snippet, examples=1, after="config-defaults")
def train_config_defaults(_: NoCase, context: Context) -> None:
    """TrainConfig keeps the contract's fields and defaults.

    ## Why it matters
    `TrainConfig()` is the run that everybody compares with. With another learning rate, or a tighter clip, it is
    another run, and nothing says so.

    ## Usual causes
    - A number was changed to try something out, and left.
    - A field was renamed, or lost its default.
    """
    # The defaults as plain data. Fields beyond the contract's are free.
    require_defaults("TrainConfig", CONTRACT, context.ask(TrainConfigs(), {}))


# Cosine between a parameter's move and that in a correct loop. Plain gradient descent instead of AdamW was seen to have
# 0.45 at least, another clip or rate nearly 1; what has nothing to do with the gradient is as often below 0 as above.
LEAST_COSINE: Final = 0.1


def _parameters_move_snippet(case: TrainCase) -> str:
    """One step of a model of three layers."""
    return training_snippet(
        case,
        """
before = [p.detach().clone() for p in model.parameters()]
train_step(model, optimizer, batch, config, 0)
moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
print(moved)
assert all(moved), "a training step left parameters as they were"
""",
    )


@check(cases=train_cases(weight_decay=(0.0,)), snippet=_parameters_move_snippet, examples=3)
def parameters_move(case: TrainCase, context: Context) -> None:
    """One training step moves every parameter, and against its gradient.

    ## Why it matters
    The point of a step is to change the model. A loop that computes losses and gradients and then leaves the
    parameters alone runs without an error and learns nothing.

    ## Usual causes
    - The optimizer is never stepped.
    - Gradients are cleared between the backward pass and the step.
    - The optimizer was built over other parameters than the model's.
    - The learning rate of the first step is zero.
    - The sign of the loss is wrong.
    """
    # After the first step each parameter differs from what it was, and lies roughly where a correct loop takes it.
    # Without decay, beside which a clipped gradient may be small.
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    answer, variant = context.both(question, case.batches(context.seeds))
    names = [name.removeprefix("initial.") for name in variant if name.startswith("initial.")]
    still = [name for name in names if same_bits(variant[f"initial.{name}"], answer[f"param.0.{name}"])]
    if still:
        raise CheckFailed(
            "no-move",
            "every parameter that has a gradient changes in one step",
            f"{len(still)} of {len(names)} parameters did not change, the first is {still[0]}",
        )
    astray = [name for name in names if not _is_alike(_move(answer, variant, name), _move(variant, variant, name))]
    if astray:
        raise CheckFailed(
            "astray",
            "one step moves every parameter against its gradient",
            f"{len(astray)} of {len(names)} parameters moved elsewhere, the first is {astray[0]}",
        )


def _move(answer: Tensors, variant: Tensors, name: str) -> Array:
    """How a parameter has moved from where the grader put it."""
    return answer[f"param.0.{name}"].astype(np.float64) - variant[f"initial.{name}"]


def _is_alike(move: Array, right: Array) -> bool:
    """Whether two moves have about one direction, if the right one has any."""
    if not right.any():
        return True
    return bool((move * right).sum() > LEAST_COSINE * np.linalg.norm(move) * np.linalg.norm(right))


# torch divides by the norm + 1e-6, a clip by hand may divide by the norm alone. Only norms above the clip are divided
# by, and no clip is below 0.1.
CLIP_SLACK: Final = 2e-5
GROUPS: Final = 2  # of the optimizer's, as the solution's own has
STEEP: Final = 5.0  # of the weights: losses of 20 and more, and gradients as long as that


def _step_is_exact_snippet(case: TrainCase) -> str:
    """Count the steps, and look at the gradient's norm when they happen."""
    return training_snippet(
        case,
        """
seen = []
original = optimizer.step
optimizer.step = lambda *a, **k: (seen.append([p.grad.clone() for p in model.parameters()]), original(*a, **k))
for step in range(2):
    fresh = torch.autograd.grad(nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()),
                                list(model.parameters()))
    norm = torch.stack([g.norm() for g in fresh]).norm()
    fresh = [g * min(1.0, config.grad_clip / (norm + 1e-6)) for g in fresh]
    seen.clear()
    train_step(model, optimizer, batch, config, step)
    print(f"step {step}: optimizer.step was called {len(seen)} times")
    assert len(seen) == 1, "the optimizer must be stepped once for each batch"
    for mine, right in zip(seen[0], fresh):
        assert torch.allclose(mine, right, rtol=1e-3, atol=1e-6), "the gradient is not the clipped one of this batch"
""",
    )


@check(
    cases=TRAIN_CASES,
    at_size=train_case,
    default=RUN,
    snippet=_step_is_exact_snippet,
    examples=6,
)
def step_is_exact(case: TrainCase, context: Context) -> None:
    """Each batch is used for one update, at the scheduled rate, with the clipped gradient of that batch alone.

    ## Why it matters
    Training code that is slightly wrong still trains. Gradients that pile up, a clip that comes too early or a
    second step per batch show up as a model that is a little worse, weeks later.

    ## Usual causes
    - Gradients of earlier batches are not cleared.
    - The optimizer is stepped twice, or not at all.
    - Gradients are clipped before the backward pass, or not at all.
    - The learning rate is set after the step, or counted from another step.
    - Of an optimizer with several groups, one alone is given its rate, or clipped.
    """
    # What a recording optimizer sees, step by step, beside what it sees in a correct loop.
    # Where nothing is to be clipped, losses and gradients are large ones.
    question = RecordSteps(
        train=case.config,
        width=case.width,
        weights=case.weights(context.seeds, scale=STEEP if case.grad_clip > STEEP else SCALE),
        precision="float64",
        at=case.made,
        groups=GROUPS,
    )
    answer, expected = context.both(question, case.batches(context.seeds))
    for index, step in enumerate(case.numbers):
        calls = int(answer["calls"][index])
        if calls != 1:
            kind = "no-step" if calls == 0 else "extra-step"
            raise CheckFailed(
                kind,
                "the optimizer is stepped once for each batch",
                f"in step {step} it was stepped {calls} times",
                expected=f"{int(expected['calls'][index])} time",
            )
        rates, scheduled = answer["lr"][index], expected["lr"][index]
        if not np.max(np.abs(rates - scheduled)) <= 1e-12 * np.max(np.abs(scheduled)):
            raise CheckFailed(
                "rate",
                "each step is made at learning_rate(step, config), in every group of the optimizer",
                f"step {step} was made at lr={_listed(rates)}",
                expected=f"lr={_listed(scheduled)}",
            )
        _same_gradients(index, step, answer, expected)
    if "in_train" in answer and int(answer["in_train"]) != len(case.numbers):
        raise CheckFailed(
            "own-optimizer",
            "train() steps the optimizer that it is given, once for each batch",
            f"with {len(case.numbers)} batches it was stepped {int(answer['in_train'])} times",
        )


def _listed(rates: Array) -> str:
    """One number where all groups have the same."""
    return ", ".join(repr(float(rate)) for rate in dict.fromkeys(rates.tolist()))


def _same_gradients(index: int, step: int, answer: Tensors, expected: Tensors) -> None:
    prefix = f"grad.{index}."
    for name in (name for name in expected if name.startswith(prefix)):
        if name not in answer or not _close(answer[name], expected[name]):
            raise CheckFailed(
                "gradient",
                "the gradient at each step is the clipped gradient of that batch and of no other",
                f"in step {step} the gradient of {name.removeprefix(prefix)} differs"
                + (" (it has none)" if name not in answer else ""),
                expected=str(expected[name]),
            )


def _close(actual: Array, expected: Array) -> bool:
    """Whether two gradients differ by no more than a clip with another safeguard against a norm of zero."""
    if actual.shape != expected.shape:
        return False
    return bool(np.max(np.abs(actual - expected)) <= CLIP_SLACK * np.max(np.abs(expected)))


def _training_repeats_confirm(case: TrainCase, context: Context) -> None:
    """Once more in a fresh process."""
    batches = case.batches(context.seeds)
    with context.candidate.another() as fresh:
        for question in _questions(case, context):
            _same(context.ask(question, batches), fresh.ask(question, batches), "a run in a fresh process")


@check(cases=TRAIN_CASES, confirm=_training_repeats_confirm, examples=1)
def training_repeats(case: TrainCase, context: Context) -> None:
    """Training twice from the same start gives the same bits, on given batches and on its own.

    ## Why it matters
    If a run cannot be repeated, no two runs can be compared, and a bug that shows once in a while cannot be
    chased.

    ## Usual causes
    - Something is drawn from a random generator that was not seeded, such as the batches.
    - State is kept in a module between runs.
    """
    # The same questions twice.
    batches = case.batches(context.seeds)
    for question in _questions(case, context):
        _same(context.ask(question, batches), context.ask(question, batches), "a second run")


def _questions(case: TrainCase, context: Context) -> list[TrainSteps]:
    """Single steps on batches that are given, and a whole run that makes its own."""
    steps = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    return [steps, replace(steps, whole=True, own_batches=True)]


def _same(first: Tensors, other: Tensors, where: str) -> None:
    difference = first_difference(other, first)
    if difference is not None:
        raise CheckFailed(
            "unsteady",
            "two runs from the same start are the same bit for bit",
            f"not deterministic: {where} differs at {difference.tensor} {list(difference.element)}",
        )


ROWS: Final = 256


def whole_batch(extent: Extent) -> TrainCase:
    """The configuration of a run whose batches have these sizes: making them costs little."""
    return replace(train_case(extent), vocab_size=extent.words, seq_len=extent.tokens)


@check(cases=TRAIN_CASES, at_size=whole_batch, default=RUN, examples=3)
def batches_are_as_specified(case: TrainCase, context: Context) -> None:
    """make_batch gives tokens, their successors as targets, their parity as labels, and for a seed the solution's
    batch.

    ## Why it matters
    Everything the model learns, it learns from these batches. Targets that are not shifted make the task trivial,
    labels that are something else make the classifier learn something else.

    ## Usual causes
    - Targets are the tokens themselves, or shifted the wrong way.
    - Labels are computed from the targets.
    - The generator that was passed in is not used.
    - The upper bound of `torch.randint` is taken for one that can be drawn: it cannot.
    """
    # Shapes, values, and what depends on the generator.
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    shape = (case.batch_size, case.seq_len)
    for name in ("tokens", "targets", "labels"):
        array = answer[f"{name}.0"]
        if array.shape != shape or array.dtype != "int64":
            raise CheckFailed(
                "batch-shape", f"{name} are int64 of shape {shape}", f"{name} are {array.dtype} of shape {array.shape}"
            )
        if not same_bits(array, answer[f"{name}.1"]):
            raise CheckFailed("batch-seed", "the same generator seed gives the same batch", f"{name} differ")
    tokens, targets, labels = (answer[f"{name}.0"] for name in ("tokens", "targets", "labels"))
    _require(_within(tokens, case.vocab_size) and _within(targets, case.vocab_size), "tokens lie in the vocabulary")
    _require(np.array_equal(targets[:, :-1], tokens[:, 1:]), "targets are the tokens that come next")
    _require(np.array_equal(labels, tokens % 2), "labels are the parity of the tokens")
    _same_task(case, context)
    for sizes in _batch_sizes(case, context):
        train = case.config | sizes
        question = MakeBatch(train=train, seed=context.seeds.derive("sizes", case.data) % 2**31, once=True)
        answer, expected = context.both(question, {})
        if first_difference(answer, expected) is not None:
            words = ", ".join(f"{name}={size}" for name, size in sizes.items())
            raise CheckFailed(
                "other-task", "make_batch draws from its generator what a right solution draws", f"not so with {words}"
            )


# The power of ten of a size, or from which to which: few long rows, and many short ones.
FORMS: Final[tuple[tuple[Sizes, Sizes], ...]] = (
    (((2.41, 2.6),), ((0.3, 1.2),)),
    ((32,), (2,)),
    ((1,), ((3.95, 4.1),)),
    (((1.52, 1.8),), (1,)),
    ((64,), (32,)),
    ((2,), ((2.8, 3),)),
)
WORDS: Final[Sizes] = ((0, 0.69), 64, (2.41, 3), (0.7, 1.75), (3, 4.8), 256)


def _batch_sizes(case: TrainCase, context: Context) -> list[Settings]:
    """Batches of other sizes: vocabularies of every order with few long rows, and with many short ones."""
    random = np.random.default_rng(context.seeds.derive("batch sizes", case.data))
    return [
        {"vocab_size": words, "batch_size": whole(random, rows)[0], "seq_len": whole(random, length)[0]}
        for words, (rows, length) in zip(whole(random, WORDS), FORMS, strict=True)
    ]


def _same_task(case: TrainCase, context: Context) -> None:
    """Rows enough that every start and every stride there is comes up."""
    train = case.config | {"batch_size": ROWS, "seq_len": 2}
    question = MakeBatch(train=train, seed=context.seeds.derive("whole task", case.data) % 2**31)
    answer, expected = (side["tokens.0"] for side in context.both(question, {}))
    (starts, strides), (all_starts, all_strides) = (_drawn(rows, case.vocab_size) for rows in (answer, expected))
    for words, missing in (("starts at", all_starts - starts), ("counts up by", all_strides - strides)):
        if missing:
            raise CheckFailed(
                "never-drawn",
                "all starts and all strides of the task are drawn",
                f"with vocab_size={case.vocab_size}, none of {ROWS} rows {words} {min(missing)}",
            )
    if not same_bits(answer, expected):
        raise CheckFailed(
            "other-task", "make_batch draws from its generator what a right solution draws", "it draws other rows"
        )


def _drawn(rows: Array, vocabulary: int) -> tuple[set[int], set[int]]:
    """The first tokens of rows (B, 2), and how far the second ones are from them."""
    return set(rows[:, 0].tolist()), set(((rows[:, 1] - rows[:, 0]) % vocabulary).tolist())


def _within(array: Array, vocabulary: int) -> bool:
    return bool(((array >= 0) & (array < vocabulary)).all())


def _require(holds: bool, claim: str) -> None:
    if not holds:
        raise CheckFailed("batch", claim, "in a batch of make_batch they do not")


@check(cases=TRAIN_CASES, needs=(step_is_exact,), examples=1)
def steps_follow_any_settings(case: TrainCase, context: Context) -> None:
    """A step is exact whatever the settings, the number of the step and the sizes of the batch are, zero among them.

    ## Why it matters
    A clip of zero lets nothing through, a rate of zero moves nothing, and 1 is the number 1.0. What takes some of
    them for "not set", or limits them, is right until somebody sweeps over that setting.

    ## Usual causes
    - A number is tried for truth, where it is compared with None or not at all.
    - A limit was put in for one run, and left.
    - Something is done every so many steps, or for batches of one size.
    """
    # What a recording optimizer sees, with each setting and size once of every order.
    for other in any_settings(case.data, context.seeds):
        try:
            step_is_exact(other, context)
        except CheckFailed as found:
            settings = ", ".join(f"{name}={value:.4g}" for name, value in other.config.items())
            seen = f"{found.seen}, with {settings}"
            raise CheckFailed(found.kind, found.claim, seen, expected=found.expected) from None


@check(cases=TRAIN_CASES, examples=2)
def train_uses_every_batch(case: TrainCase, context: Context) -> None:
    """train() makes one train_step for each batch, in order, and reports every loss.

    ## Why it matters
    The loop around the step has bugs of its own: a batch dropped at the end, a loss reported that belongs to
    another step.

    ## Usual causes
    - train() does something other than calling train_step for each batch.
    - The step number is not passed on, so that the warm-up never ends.
    - Something is kept from one call to the next: an optimizer, a generator, a number of steps.
    """
    # ``train`` over all batches ends where ``train_step`` over each of them ends.
    weights = case.weights(context.seeds)
    batches = case.batches(context.seeds)
    steps = context.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights), batches)
    whole = context.ask(TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True), batches)
    difference = first_difference(whole, {name: steps[name] for name in whole if name in steps})
    if difference is not None:
        raise CheckFailed(
            "train-differs",
            "train() does the same as train_step() for each batch",
            f"after train(), {difference.tensor} differs at {list(difference.element)}",
        )
    alone = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=weights, whole=True, own_batches=True)
    losses = context.ask(alone, batches)["losses"]  # one for each step, or the worker has complained
    if not finite(losses):
        raise CheckFailed("own-batches", "train() without batches makes its own", "a loss is NaN or infinite")
    rising = case.config | {"warmup": 3 * case.steps}  # a step that is counted on is made at another rate
    for own_batches in (False, True):
        question = replace(alone, train=rising, own_batches=own_batches, again=True)
        answer = context.ask(question, batches)
        again, anew = (
            {n.removeprefix(f"{run}."): array for n, array in answer.items() if n.startswith(run)}
            for run in ("again", "anew")
        )
        if first_difference(again, anew) is not None:
            raise CheckFailed(
                "carried-over",
                "train() begins anew each time it is called, whatever it was called with before",
                "called once more on a model, it does something else than on one with the same parameters",
            )


SPARE: Final = 3


def _train_takes_its_batches_snippet(case: TrainCase) -> str:
    """Count what is taken from a generator."""
    return training_snippet(
        case,
        f"""
from dataclasses import replace

from train import train

for steps in ({case.steps - SPARE}, {case.steps}, {case.steps + SPARE}):
    taken = []
    batches = (taken.append(i) or batch for i in range({case.steps}))
    made = len(train(model, replace(config, steps=steps), batches=batches))
    print(f"steps={{steps}}, {case.steps} batches: {{made}} updates, {{len(taken)}} batches taken")
    assert made == len(taken) == min(steps, {case.steps}), "not one update for each batch that is taken"
""",
    )


@check(
    cases=train_cases(steps=(SPARE + 1, SPARE + 2)),
    snippet=_train_takes_its_batches_snippet,
    examples=1,
)
def train_takes_its_batches(case: TrainCase, context: Context) -> None:
    """train() makes config.steps updates at most, one for each batch it is given, and takes no more of them than that.

    ## Why it matters
    Batches often come from a generator that others go on with, or that never ends. A batch that is taken and not used
    is lost; a loop that waits for the end of one that has none never ends either.

    ## Usual causes
    - The number of steps is compared after the next batch was taken.
    - All batches are put into a list first.
    - The loop goes by the batches alone, and nothing reads config.steps.
    - Batches are taken from the beginning again when there are too few.
    """
    # More batches than steps, as many, and fewer; no step, and no batch.
    for steps in (case.steps - SPARE, case.steps, case.steps + SPARE, 0):
        _require_taken(case, context, steps=steps, batches=case.steps)
    for listed in (False, True):
        _require_taken(case, context, steps=case.steps, batches=0, listed=listed)


def _require_taken(case: TrainCase, context: Context, *, steps: int, batches: int, listed: bool = False) -> None:
    """Require an update for each batch, and no more of them than steps."""
    question = WatchedTraining(
        train=case.config | {"steps": steps}, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), listed=listed
    )
    given = {name: arrays[:batches] for name, arrays in case.batches(context.seeds).items()}
    answer = context.ask(question, given)
    wanted, words = min(steps, batches), f"with steps={steps} and {batches} batches"
    if len(answer["losses"]) != wanted:
        raise CheckFailed(
            "updates",
            f"{words}, train makes {wanted} updates and returns a dict for each",
            f"it returns {len(answer['losses'])} dicts",
        )
    if not listed and int(answer["taken"]) != wanted:
        raise CheckFailed(
            "taken", f"{words}, train takes {wanted} batches", f"it takes {int(answer['taken'])} of a generator's"
        )


MANY: Final = 301, 600  # steps: more than those of a run of its own


def _long_runs_go_on_snippet(case: TrainCase) -> str:
    """Count the records of a long run, and look at the mode and the random state in the end."""
    return training_snippet(
        case,
        f"""
from dataclasses import replace

from train import train

state = torch.get_rng_state()
history = train(model, replace(config, steps={MANY[1]}), batches=[batch] * {MANY[1]})
print(len(history), "records,", "training" if model.training else "eval", "mode")
assert len(history) == {MANY[1]}, "not a record for each step"
assert model.training, "a long run ends in eval mode"
assert torch.equal(torch.get_rng_state(), state), "a long run draws random numbers beside its model's"
""",
    )


@check(cases=train_cases(lr=(0.01,)), snippet=_long_runs_go_on_snippet, examples=1)
def long_runs_go_on(case: TrainCase, context: Context) -> None:
    """A run of many steps goes on as it began: an update and a record for each batch, in training mode, nothing drawn.

    ## Why it matters
    What is done every hundredth step, or from the three hundredth on, is seen in no short test: the run that matters is
    the first to meet it.

    ## Usual causes
    - Every so many steps something is logged or evaluated, and the mode, or the random state, is another one after it.
    - The history is cut, or the number of steps limited.
    """
    # A run of many steps of the smallest model that there is.
    random = np.random.default_rng(context.seeds.derive("long run", case.data))
    long = replace(
        case, vocab_size=3, seq_len=1, batch_size=1, steps=int(random.integers(*MANY, endpoint=True)), warmup=1
    )
    question = WatchedTraining(train=long.config, width=1, weights=long.weights(context.seeds), slight=True)
    answer = context.ask(question, long.batches(context.seeds))
    claim = (
        "in a long run as in a short one, train makes an update for each batch, in training mode, and keeps its loss"
    )
    for made, words in ((len(answer["losses"]), "it returns {} dicts"), (int(answer["taken"]), "it takes {} batches")):
        if made != long.steps:
            raise CheckFailed("cut", claim, f"with steps={long.steps} {words.format(made)}")
    if not (answer["modes"].all() and answer["after.mode"].all()):
        raise CheckFailed("mode", claim, f"with steps={long.steps} the model is not always in training mode")
    require_no_trace(claim, answer, where=f"a run of {long.steps} steps", free=("param", "grad", "mode"))


KEYS: Final = ("loss", "lm_loss", "class_loss")


def _losses_are_numbers_snippet(case: TrainCase) -> str:
    """Look at what a step returns."""
    return training_snippet(
        case,
        """
expected = nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()).item()
losses = train_step(model, optimizer, batch, config, 0)
print(losses, expected)
for key in ("loss", "lm_loss"):
    assert isinstance(losses[key], float), f"{key} is no float"
    assert abs(losses[key] - expected) < 1e-5, f"{key} is wrong"
assert losses["class_loss"] is None, "there is no class loss"
""",
    )


@check(
    cases=train_cases(steps=(3,), lr=(0.1,), weight_decay=(0.0,), warmup=(1,)),
    snippet=_losses_are_numbers_snippet,
    examples=1,
)
def losses_are_numbers(case: TrainCase, context: Context) -> None:
    """A step reports its own losses: floats by the names loss, lm_loss and class_loss, the last None at class_weight 0.

    ## Why it matters
    A loss that is still a tensor holds on to the whole graph that it came from. Kept in a list, it keeps every
    activation of every step, and memory runs out in the middle of a run.

    ## Usual causes
    - The tensor is put into the record, not `loss.item()`.
    - What is reported is rounded, averaged with earlier steps, or computed once more after the update.
    - One loss is reported by the name of another.
    - `class_loss` is 0.0, or not there, where there is none.
    """
    # What ``train`` returns of a model that hardly moves, so that each loss is that of one and the same model; and the
    # first of one that does move, which it has from before.
    for rate, steps in ((STILL, case.steps), (case.lr, 1)):
        question = WatchedTraining(
            train=case.config | {"lr": rate},
            width=STAND_IN_WIDTH,
            weights=case.weights(context.seeds),
            precision="float64",
        )
        answer, expected = context.both(question, case.batches(context.seeds))
        require_kinds(answer["kinds"], ("float", "float", "none"), "class_weight=0")
        _require_losses(answer, expected, steps)


def require_kinds(kinds: Array, wanted: tuple[str, str, str], where: str) -> None:
    """Require that the losses of every step are what they have to be."""
    words = {"missing": "not there", "none": "None", "float": "a float", "other": "no float"}
    for step, row in enumerate(kinds):
        for key, kind, right in zip(KEYS, row, wanted, strict=True):
            if KINDS[kind] != right:
                raise CheckFailed(
                    f"kind-{key}",
                    f"with {where} a step reports {key}, which is {words[right]}",
                    f"in step {step} {key} is {words[KINDS[kind]]}",
                )


def _require_losses(answer: Tensors, expected: Tensors, steps: int) -> None:
    """Require the numbers of a right loop, in the first steps."""
    for key, name in (("loss", "losses"), ("lm_loss", "lm_losses")):
        reported, right = answer[name][:steps], expected[name][:steps]
        if not close(reported, right, "scalar loss, float32"):
            same = reported.shape == right.shape
            step = int(np.abs(reported - right).argmax()) if same else 0
            raise CheckFailed(
                f"value-{key}",
                f"a step reports the {key} of its own batch, exactly, and from before its update",
                f"the {key} of step {step} is a different number" if same else f"there are {len(reported)} of them",
                expected=str(right),
            )


STILL = 1e-12  # a learning rate at which a model keeps its losses, so that they tell batches apart


def _own_batches_differ_snippet(case: TrainCase) -> str:
    """Train so slowly that only the batches differ."""
    return training_snippet(
        case,
        """
from train import train

losses = [record["loss"] for record in train(model.double(), config)]
print(losses)
assert max(losses) - min(losses) > 1e-9, "all batches are the same"
""",
    )


@check(
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(4,), lr=(STILL,), weight_decay=(0.0,)),
    snippet=_own_batches_differ_snippet,
    examples=2,
)
def own_batches_differ(case: TrainCase, context: Context) -> None:
    """train() without batches makes a new one for each step.

    ## Why it matters
    A model that sees one batch again and again learns that batch by heart, and its loss falls as never before. On any
    other it is as bad as one that guesses.

    ## Usual causes
    - One batch is made, and used or listed as often as there are steps.
    - The generator is made, or seeded, anew for each batch.
    """
    # The losses of one and the same model on each batch: two that are equal are of one batch.
    question = TrainSteps(
        train=case.config,
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
        whole=True,
        own_batches=True,
    )
    losses = context.ask(question, case.batches(context.seeds))["losses"]
    gaps = np.abs(losses[:, None] - losses[None]) + np.eye(len(losses))
    if not gaps.min() > 1e-9:
        first, second = sorted(np.unravel_index(gaps.argmin(), gaps.shape))
        raise CheckFailed(
            "same-batch",
            "train() without batches makes a new one for each step",
            f"a model that hardly moves has the same loss in steps {first} and {second}: {float(losses[first])!r}",
        )


def _loss_is_from_before_snippet(case: TrainCase) -> str:
    """The loss of the model that has not been trained yet."""
    return training_snippet(
        case,
        """
model = model.double()
before = nn.functional.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten()).item()
reported = train_step(model, optimizer, batch, config, 0)["loss"]
print(f"before the update {before}, reported {reported}")
assert abs(reported - before) <= 1e-6, "the loss reported is not that of the model before its update"
""",
    )


@check(cases=train_cases(lr=(0.1,), steps=(1,)), snippet=_loss_is_from_before_snippet, examples=2)
def loss_is_from_before(case: TrainCase, context: Context) -> None:
    """The loss that a step reports is that of the model before its update.

    ## Why it matters
    The record says how well the model does on tokens that it has not been fitted to yet. After the update it does
    better on that very batch, so that the curve flatters, and every step costs a second forward pass.

    ## Usual causes
    - The loss is computed once more for the record.
    - What is reported belongs to another step.
    """
    # How far the first update goes makes no difference to the first losses.
    far, still = (
        context.ask(
            TrainSteps(
                train=case.config | {"lr": rate},
                width=STAND_IN_WIDTH,
                weights=case.weights(context.seeds),
                precision="float64",
            ),
            case.batches(context.seeds),
        )
        for rate in (case.lr, STILL)
    )
    for name, key in (("losses", "loss"), ("lm_losses", "lm_loss")):
        if not close(far[name][:1], still[name][:1], "scalar loss, float64"):
            raise CheckFailed(
                "loss-moved",
                "train_step reports the losses from before its update",
                f"the first {key} is {float(still[name][0])!r} when the update hardly moves the model, and "
                f"{float(far[name][0])!r} at lr={case.lr}",
            )
