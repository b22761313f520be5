"""Checks that seeds decide, and nothing else."""

from contextlib import suppress
from itertools import zip_longest
from typing import get_args

import numpy as np
from hypothesis import strategies as st
from msgspec import Struct

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import same_bits
from grader.checks.configuration_cases import DropoutCase, dropout_cases, without_dropout
from grader.checks.families.projection import forward_runs
from grader.checks.requirements import require_inputs_kept, require_no_trace, require_settings_kept
from grader.checks.snippets import config_of, model_snippet, training_snippet
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.packages.trouble import PackageRaised
from grader.sandbox.questions import MakeBatch, Modes, SeededDraws, Settings, Watched, WatchedTraining, Weights
from grader.sandbox.wire import Array, Tensors


class SeedCase(Struct, frozen=True, kw_only=True):
    """Two seeds that are not the same."""

    seed: int
    other: int

    @property
    def config(self) -> Settings:
        """There is nothing to configure."""
        return {}


def _seed_decides_snippet(case: SeedCase) -> str:
    """The same by hand."""
    return f"""import random

import torch
from train import seed_everything

drawn = []
for seed in ({case.seed}, {case.other}, {case.seed}):
    seed_everything(seed)
    drawn.append(torch.rand(4))
    print(seed, drawn[-1])
    assert random.random() == random.Random(seed).random(), "Python's random is not seeded with the seed"
    assert torch.equal(drawn[-1], torch.rand(4, generator=torch.Generator().manual_seed(seed))), "nor is torch"
assert torch.equal(drawn[0], drawn[2]), "the same seed gives other numbers"
assert not torch.equal(drawn[0], drawn[1]), "another seed gives the same numbers"
"""


@check(
    cases=st.builds(SeedCase, seed=st.integers(0, 999), other=st.integers(1000, 1999)),
    snippet=_seed_decides_snippet,
    examples=2,
)
def seed_decides(case: SeedCase, context: Context) -> None:
    """seed_everything(seed) seeds torch and Python's random with that seed.

    ## Why it matters
    Without it no run can be repeated, and a bug that shows once in a while cannot be chased. With a seed that is always
    the same, runs that should be independent are one and the same run.

    ## Usual causes
    - One generator is seeded, and the other is not.
    - The seed that is used is not the one that was passed in.
    """
    # One seed, another, and the first again.
    first, other, again = (
        context.ask(SeededDraws(seed=seed), {})["torch"] for seed in (case.seed, case.other, case.seed)
    )
    if not same_bits(again, first):
        raise CheckFailed(
            "unsteady",
            "after seed_everything(seed) torch draws the same numbers each time",
            f"after seed_everything({case.seed}) it draws others the second time",
        )
    if same_bits(other, first):
        raise CheckFailed(
            "same-for-all",
            "another seed gives other numbers",
            f"torch draws the same after seed_everything({case.seed}) and after seed_everything({case.other})",
        )
    _as_seeded(case.seed, context)
    for seed in _long(case.seed, context):
        _as_seeded(seed, context)
    for seed in _longest(case.seed, context):
        # Where NumPy is seeded as well, that is an error, which no caller takes for another seed.
        with suppress(PackageRaised):
            _as_seeded(seed, context)


def _long(data: int, context: Context) -> tuple[int, ...]:
    """Seeds that no shorter number stands for, up to the longest that NumPy takes too."""
    drawn = context.seeds.derive("seed", data)
    return drawn % 2**31, 2**31 + drawn % 2**31


def _longest(data: int, context: Context) -> tuple[int, ...]:
    """Those that torch takes, and not every generator."""
    drawn = context.seeds.derive("longest seed", data)
    return 2**32 + drawn % 2**62, -1 - drawn % 2**31


def _as_seeded(seed: int, context: Context) -> None:
    """Both generators draw what they draw after that seed."""
    answer, expected = context.both(SeededDraws(seed=seed), {})
    for name, words in (("torch", f"torch.manual_seed({seed})"), ("python", f"random.seed({seed})")):
        if not same_bits(answer[name], expected[name]):
            raise CheckFailed(
                f"other-{name}",
                f"after seed_everything({seed}) {name.capitalize() if name == 'python' else name} draws what it draws "
                f"after {words}",
                "it draws other numbers",
            )


def _batches_follow_the_generator_snippet(case: TrainCase) -> str:
    """The same four batches by hand."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
generator, twin, other = (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
first, second = make_batch(config, generator).tokens, make_batch(config, generator).tokens
assert torch.equal(first, make_batch(config, twin).tokens), "the same seed gives another batch"
assert not torch.equal(first, make_batch(config, other).tokens), "another seed gives the same batch"
assert not torch.equal(first, second), "the second batch is the first again"
"""


@check(
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(12,)),
    snippet=_batches_follow_the_generator_snippet,
    examples=2,
)
def batches_follow_the_generator(case: TrainCase, context: Context) -> None:
    """make_batch draws from the generator that it is given, and goes on where that stands.

    ## Why it matters
    The generator that is passed in decides what is drawn. Other numbers make runs differ that should agree;
    a generator that is turned back makes batches agree that should differ.

    ## Usual causes
    - Something is drawn without naming the generator, from the one that all of torch shares.
    - The generator is seeded again on the way.
    - A generator of make_batch's own is used.
    """
    # Batches from two generators of one seed, from one of another seed, and from the first once more.
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    first, twin, other, second = (answer[f"tokens.{i}"] for i in range(4))
    if not same_bits(twin, first):
        raise CheckFailed(
            "not-from-it", "generators of the same seed give the same batch", "from two of one seed the tokens differ"
        )
    if same_bits(other, first):
        raise CheckFailed(
            "seed-unheard", "generators of other seeds give other batches", "from two seeds the tokens are the same"
        )
    if same_bits(second, first):
        raise CheckFailed(
            "turned-back", "one generator gives one batch after another", "its second batch is its first again"
        )


def _own_batches_follow_the_seed_snippet(case: TrainCase) -> str:
    """The same three runs by hand."""
    return training_snippet(
        case,
        """
from copy import deepcopy
from dataclasses import replace

from train import make_batch, train

losses = [train(deepcopy(model), replace(config, seed=seed))[0]["loss"] for seed in (1, 1, 2)]
print(losses)
assert losses[0] == losses[1], "the same seed gives other batches"
assert losses[0] != losses[2], "another seed gives the same batches"

generator = torch.Generator().manual_seed(config.seed)
given = train(deepcopy(model), config, batches=[make_batch(config, generator) for _ in range(config.steps)])
assert [r["loss"] for r in train(deepcopy(model), config)] == [r["loss"] for r in given], "its batches differ"
""",
    )


@check(
    # Rows enough that no two batches are the same by chance.
    cases=train_cases(vocab_size=(7, 9), batch_size=(8,), steps=(4,)),
    snippet=_own_batches_follow_the_seed_snippet,
    examples=2,
)
def own_batches_follow_the_seed(case: TrainCase, context: Context) -> None:
    """The batches that train() makes for itself come from make_batch and one generator, seeded with config.seed.

    ## Why it matters
    Two runs of one configuration must see the same data, and two seeds must not: else the spread over seeds, which says
    how far a result can be trusted, is no spread at all.

    ## Usual causes
    - The generator is seeded with a number of its own.
    - Batches are drawn from a generator that was not seeded.
    - One batch is made and repeated, or each is made from a generator that was seeded again.
    """
    # What a stand-in is given to read: with one seed twice, then with another; and what make_batch makes.
    question, batches = _question(case, context, case.data), case.batches(context.seeds)
    answer = context.ask(question, batches)
    first, expected = _tokens(answer, "read"), _tokens(answer, "made")
    again, other = (
        _tokens(context.ask(_question(case, context, seed), batches), "read") for seed in (case.data, case.data + 1)
    )
    if _differing(again, first) is not None:
        raise CheckFailed(
            "unsteady",
            "train() makes the same batches for the same config.seed",
            f"with seed={case.data} a second run has other tokens",
        )
    if _differing(other, first) is None:
        raise CheckFailed(
            "same-for-all",
            "train() makes other batches for another config.seed",
            f"the tokens with seed={case.data} and seed={case.data + 1} are the same",
        )
    _require_made(first, expected, case.data)
    for seed in (*_long(case.data, context), *_longest(case.data, context)):
        answer = context.ask(_question(case, context, seed), batches)
        _require_made(_tokens(answer, "read"), _tokens(answer, "made"), seed)


def _require_made(read: list[Array], made: list[Array], seed: int) -> None:
    step = _differing(read, made)
    if step is not None:
        raise CheckFailed(
            "other-batches",
            "train() makes its batches with make_batch(config, generator), one after another, from one generator that "
            "was seeded with config.seed",
            f"with seed={seed} the batch of step {step} differs",
        )


def _question(case: TrainCase, context: Context, seed: int) -> WatchedTraining:
    return WatchedTraining(
        train=case.config | {"seed": seed},
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        own_batches=True,
    )


def _tokens(answer: Tensors, kind: str) -> list[Array]:
    """The batches that were read, or made, in their order; one that is read twice in a row is one."""
    read = [answer[f"{kind}.{i}"] for i in range(sum(name.startswith(f"{kind}.") for name in answer))]
    return [tokens for i, tokens in enumerate(read) if i == 0 or not same_bits(tokens, read[i - 1])]


def _differing(batches: list[Array], others: list[Array]) -> int | None:
    """The first step whose batch is another one, if there is one."""
    pairs = enumerate(zip_longest(batches, others))
    return next((i for i, (one, other) in pairs if one is None or other is None or not same_bits(one, other)), None)


STEP_LEAVES = "train_step leaves batch, settings and random generators as they were"


def _step_leaves_no_trace_snippet(case: TrainCase) -> str:
    """The random state before and after."""
    return training_snippet(
        case,
        """
import random

given, torchs, pythons = batch.tokens.clone(), torch.get_rng_state(), random.getstate()
train_step(model, optimizer, batch, config, 0)
assert torch.equal(batch.tokens, given), "the batch has other tokens"
assert torch.equal(torch.get_rng_state(), torchs), "torch's random generator has moved"
assert random.getstate() == pythons, "Python's random generator has moved"
""",
    )


@check(cases=train_cases(steps=(2,)), snippet=_step_leaves_no_trace_snippet, examples=1)
def step_leaves_no_trace(case: TrainCase, context: Context) -> None:
    """A training step and the loop around it draw no random numbers of their own, and leave batches and torch's
    settings as they were.

    ## Why it matters
    What a step draws, everything after it no longer gets: a run depends then on how often something else was logged or
    evaluated. A step that seeds makes the same draws again and again, dropout's among them.

    ## Usual causes
    - A generator is seeded in every step, or once more in the loop, to make a run repeatable.
    - The batch is shuffled, or noise is added, from the generator that all of torch shares.
    - The batch is written into, and is another one when it is used again.
    - torch's default dtype, or whether it keeps gradients, is set for the whole program.
    - Anomaly detection, deterministic algorithms or the like are turned on and never off again.
    - Every parameter is made to need a gradient, those that were frozen among them.
    """
    # Steps of a model that drops nothing, one by one, and then by the loop.
    batches = case.batches(context.seeds)
    for by_step, where in ((True, "train_step"), (False, "train, with batches of its caller's,")):
        question = WatchedTraining(
            train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), by_step=by_step
        )
        answer = context.ask(question, batches)
        require_settings_kept(answer, "train.py")
        for name, given in batches.items():
            require_inputs_kept(STEP_LEAVES, name, given, answer[name])
        require_no_trace(STEP_LEAVES, answer, where=where, free=("param", "grad", "mode"))
    # A loop that cannot do with frozen parameters may say so by an error.
    with suppress(PackageRaised):
        _leaves_the_frozen(case, context)


FROZEN = "a parameter that is frozen stays as it is, and frozen"


def _leaves_the_frozen(case: TrainCase, context: Context) -> None:
    """A model of which every other parameter needs no gradient."""
    question = WatchedTraining(
        train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), freezes=True
    )
    answer = context.ask(question, case.batches(context.seeds))
    trains = answer["before.trains"]
    if not same_bits(answer["after.trains"], trains):
        raise CheckFailed("unfrozen", FROZEN, "train() changes which parameters need a gradient")
    names = [name.removeprefix("before.") for name in answer if name.startswith("before.param.")]
    for name, trained in zip(names, trains.tolist(), strict=True):
        if not trained and not same_bits(answer[f"after.{name}"], answer[f"before.{name}"]):
            raise CheckFailed("frozen-moves", FROZEN, f"train() moves {name.removeprefix('param.')}, which is frozen")


FORWARD_LEAVES = "forward leaves tokens, parameters, gradients, modes, settings and random generators as they were"


def _forward_leaves_no_trace_snippet(case: DropoutCase) -> str:
    """The random state before and after."""
    return model_snippet(
        case,
        """
model.train()
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0.0
given, state = tokens.clone(), torch.get_rng_state()
model(tokens)
assert torch.equal(tokens, given), "forward has written into its tokens"
assert torch.equal(torch.get_rng_state(), state), "forward has moved torch's random generator"
assert all(module.training for module in model.modules()), "forward has changed the mode"
""",
    )


@check(
    cases=dropout_cases(),
    snippet=_forward_leaves_no_trace_snippet,
    needs=(forward_runs,),
    examples=2,
)
def forward_leaves_no_trace(case: DropoutCase, context: Context) -> None:
    """A forward pass changes nothing: not its tokens, no parameter or mode, and no random generator unless it drops.

    ## Why it matters
    A model is called in the middle of other people's programs. One that seeds a generator makes all that is drawn after
    it the same every time; one that writes into its tokens changes the batch that its loss is computed from.

    ## Usual causes
    - A generator is seeded for the sake of a test, and the line stays.
    - Padding or limits are written into the tokens that were passed in.
    - `self.eval()` or `self.train()` is called and never taken back.
    - torch's default dtype is set for the whole program.
    """
    # Twice in a row without dropout, in both modes; and in training mode with it, which may draw and must go on.
    random = np.random.default_rng(context.seeds.derive("no trace", case.weights))
    tokens = random.integers(1, case.vocab_size, case.token_array().shape)  # no zeros, which are what is written mostly
    plain = without_dropout(case)
    asked: tuple[tuple[Settings, Modes], ...] = ((plain, "training"), (plain, "eval"), (case.config, "training"))
    for config, modes in asked:
        question = Watched(
            config=config, weights=case.seeded(context.seeds), precision="float32", call="forward", modes=modes
        )
        answer = context.ask(question, {"tokens": tokens})
        require_settings_kept(answer, "model.py")
        if "kept" in answer and not answer["kept"]:  # the contract says so; an adapter.py says nothing of it
            raise CheckFailed("config", "GPT(config) keeps its configuration as .config", ".config is another object")
        drops = config is not plain
        where = f"a forward pass in {modes} mode, with dropout={config['dropout']},"
        require_inputs_kept(FORWARD_LEAVES, "tokens", tokens, answer["tokens"])
        require_no_trace(FORWARD_LEAVES, answer, where=where, free=("rng",) if drops else ())
        if drops and same_bits(answer["result.0"], answer["result.1"]):
            raise CheckFailed(
                "seeded", "dropout drops something else each time", f"{where} twice in a row gives the same logits"
            )


def forward_is_to_blame(
    config: Settings, weights: Weights, tokens: Array, context: Context, *, trace: str = "trace"
) -> bool:
    """Whether a forward pass without dropout leaves a trace: its trace and its caller's look alike then.

    Args:
        trace: which one is looked for first, as ``trace-mode``; any by default.
    """
    for modes in get_args(Modes):
        question = Watched(config=config | {"dropout": 0.0}, weights=weights, call="forward", modes=modes)
        try:
            require_no_trace(FORWARD_LEAVES, context.ask(question, {"tokens": tokens}), where="a forward pass")
        except CheckFailed as found:
            return found.kind.startswith(trace)
    return False
