"""Checks of what make_optimizer makes, on a stand-in model that the grader brings."""

from typing import Final, get_args

import numpy as np
from msgspec.structs import replace

from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import same_bits
from grader.checks.families.training_loop import parameters_move, step_is_exact
from grader.checks.snippets import training_snippet
from grader.checks.training_cases import DECAYS, STAND_IN_WIDTH, TrainCase, drawn, train_cases
from grader.sandbox.questions import GivenOptimizer, RecordSteps, TrainSteps
from grader.sandbox.wire import Array, Tensors


def _optimizer_holds_every_parameter_snippet(case: TrainCase) -> str:
    """Look for each parameter in the optimizer's groups."""
    return training_snippet(
        case,
        """
held = {id(p) for group in optimizer.param_groups for p in group["params"]}
for name, p in model.named_parameters():
    print(name, tuple(p.shape), id(p) in held)
assert all(id(p) in held for p in model.parameters()), "the optimizer does not hold every parameter"
""",
    )


@check(
    cases=train_cases(steps=(2,)),
    snippet=_optimizer_holds_every_parameter_snippet,
    needs=(step_is_exact,),
    examples=2,
)
def optimizer_holds_every_parameter(case: TrainCase, context: Context) -> None:
    """The optimizer moves every parameter of the model: matrices and embeddings, biases and gains.

    ## Why it matters
    An optimizer moves what it was given and nothing else. What is left out keeps the values it was born with, while the
    loss falls all the same, since the rest learns.

    ## Usual causes
    - One of the groups of parameters is not handed over.
    - The groups are filled by a rule, a name or a kind of layer, that some parameter escapes.
    - The optimizer is made before the last layer is.
    """
    # Whatever two steps of the matched variant move, two steps of the candidate move.
    question = TrainSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    answer, expected = context.both(question, case.batches(context.seeds))
    left = sorted(_moved(expected) - _moved(answer))
    if left:
        raise CheckFailed(
            "left-out",
            "make_optimizer(model, config) holds every parameter of the model",
            f"{len(left)} of {len(_moved(expected))} parameters never move, the first is {left[0]}",
        )


def _moved(answer: Tensors) -> set[str]:
    names = [name.removeprefix("initial.") for name in answer if name.startswith("initial.")]
    return {name for name in names if not same_bits(answer[f"initial.{name}"], answer[f"param.1.{name}"])}


LEARNING_RATE = 0.001  # small: where in the step decay is applied is worth lr * lr * decay, and left to the solution


def _decay_spares_vectors_snippet(case: TrainCase) -> str:
    """Where all gradients are zero, decay is all that moves."""
    return training_snippet(
        case,
        """
before = [p.detach().clone() for p in model.parameters()]
for p in model.parameters():
    p.grad = torch.zeros_like(p)
optimizer.step()
for (name, p), start in zip(model.named_parameters(), before):
    factor = 1 - config.lr * config.weight_decay if p.dim() >= 2 else 1
    print(name, tuple(p.shape), "should be scaled by", factor)
    assert torch.allclose(p, start * factor, rtol=1e-6, atol=0), f"{name} is not scaled by {factor}"
""",
    )


@check(
    cases=train_cases(lr=(LEARNING_RATE,), weight_decay=(0.5, 2.0), steps=(1,), warmup=(1,), seq_len=(4,)),
    snippet=_decay_spares_vectors_snippet,
    needs=(step_is_exact,),
    examples=3,
)
def decay_spares_vectors(case: TrainCase, context: Context) -> None:
    """Weight decay pulls at matrices and embeddings, by lr * weight_decay a step, and at no bias or gain.

    ## Why it matters
    Decay is there to keep matrices small. A gain or a bias that is pulled towards zero forgets a little of what it has
    learned at every step; a matrix that is not pulled at all grows. Both train well for long.

    ## Usual causes
    - The groups of parameters have each other's decay, or all the same.
    - The decay of a group stands where the optimizer does not look, so that a default takes its place.
    - Decay is added to the gradient, and goes through the optimizer's moments.
    """
    # One step with decay and one without, from the same start: they differ by the decay alone. Then decays of any size.
    _require_decay(case, context)
    random = np.random.default_rng(context.seeds.derive("decays", case.data))
    for decay in drawn(random, DECAYS):
        _require_decay(replace(case, weight_decay=decay), context)


def _require_decay(case: TrainCase, context: Context) -> None:
    pulled, expected = _difference(case, context)
    slack = 3 * case.lr * case.lr * case.weight_decay
    for name, wanted in expected.items():
        if not np.max(np.abs(pulled[name] - wanted), initial=0.0) <= slack:
            vector = wanted.ndim < 2
            what = f"{name}, {'a vector' if vector else 'a matrix'},"
            raise CheckFailed(
                "vector-decayed" if vector else "matrix-decay",
                "with weight decay, a step moves matrices and embeddings by -lr * weight_decay * their value more than "
                "without, and nothing else",
                f"with lr={case.lr} and weight_decay={case.weight_decay}, {what} is moved by "
                f"{_largest(pulled[name])} more",
                expected=_largest(wanted),
            )


def _difference(case: TrainCase, context: Context) -> tuple[dict[str, Array], dict[str, Array]]:
    """What weight decay changes in the first step, by parameter: of the candidate, and of the matched variant."""
    mine, right = _one_step(case, context, case.weight_decay)
    mine_without, right_without = _one_step(case, context, 0.0)
    moved = [name for name in right if name.startswith("param.0.")]
    return (
        {name.removeprefix("param.0."): mine[name] - mine_without[name] for name in moved},
        {name.removeprefix("param.0."): right[name] - right_without[name] for name in moved},
    )


def _one_step(case: TrainCase, context: Context, decay: float) -> tuple[Tensors, Tensors]:
    question = TrainSteps(
        train=case.config | {"weight_decay": decay},
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
    )
    return context.both(question, case.batches(context.seeds))


def _largest(change: Array) -> str:
    return f"{np.max(np.abs(change), initial=0.0):.2g}"


def _given_optimizer_is_used_snippet(case: TrainCase) -> str:
    """Count the steps of an optimizer that is passed in."""
    return training_snippet(
        case,
        """
from train import train

steps = []
original = optimizer.step
optimizer.step = lambda *a, **k: (steps.append(1), original(*a, **k))
train(model, config, batches=[batch] * config.steps, optimizer=optimizer)
print(f"the given optimizer was stepped {len(steps)} times")
assert steps, "train() does not use the optimizer that it is given"
""",
    )


@check(
    cases=train_cases(steps=(2,)),
    snippet=_given_optimizer_is_used_snippet,
    needs=(parameters_move,),
    examples=2,
)
def given_optimizer_is_used(case: TrainCase, context: Context) -> None:
    """train() steps the optimizer that it is given.

    ## Why it matters
    An optimizer that is passed in was chosen, with its settings and its state. A loop that makes one of its own throws
    all of that away without a word: a run that is resumed starts again with empty moments.

    ## Usual causes
    - An optimizer is made whether or not one was passed in.
    - The argument is accepted and nothing reads it.
    """
    # A recording optimizer is stepped at all. How often is for others to ask.
    question = RecordSteps(train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds))
    if int(context.ask(question, case.batches(context.seeds))["in_train"]) == 0:
        raise CheckFailed(
            "not-used",
            "train(model, config, batches, optimizer) steps that optimizer",
            f"with {case.steps} batches it was not stepped once",
        )


def _given_optimizer_is_kept_snippet(case: TrainCase) -> str:
    """An optimizer that remembers a step, and its settings afterwards."""
    return training_snippet(
        case,
        """
from copy import deepcopy

from train import train

settings = {"momentum": 0.8, "weight_decay": 0.03}
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, **settings)
for p in model.parameters():
    p.grad = torch.full_like(p, 0.25)
optimizer.step()
twin = deepcopy(model)
empty = torch.optim.SGD(twin.parameters(), lr=0.5, **settings)
for net, used in ((model, optimizer), (twin, empty)):
    train(net, config, batches=[batch] * config.steps, optimizer=used)
kept = {name: optimizer.param_groups[0][name] for name in settings}
print(kept)
assert kept == settings, "the optimizer has other settings"
assert not all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters())), "its momentum is forgotten"
""",
    )


CLOSE: Final = 1e-3  # of the rate for each step: a clip without torch's safeguard moves less


@check(
    cases=train_cases(lr=(0.01, 0.05), steps=(2, 3)),
    snippet=_given_optimizer_is_kept_snippet,
    needs=(parameters_move,),
    examples=1,
)
def given_optimizer_is_kept(case: TrainCase, context: Context) -> None:
    """An optimizer that train() is given goes on as it comes, with what it remembers and with its settings.

    ## Why it matters
    Whoever passes an optimizer in has chosen it, and a run that is resumed brings one that remembers. Emptied, or with
    other settings, it makes another run of it, and the loss still falls.

    ## Usual causes
    - One is made anew where the kind is the usual one.
    - What it remembers is cleared at the start, or from step to step.
    - Settings of the configuration are written into its groups, beside the rate.
    """
    # Several kinds, of two groups each, that have made a step before: where a run ends, and what the groups say then.
    for kind in get_args(GivenOptimizer):
        question = TrainSteps(
            train=case.config | {"weight_decay": 0.1},
            width=STAND_IN_WIDTH,
            weights=case.weights(context.seeds),
            precision="float64",
            whole=True,
            given=kind,
        )
        answer, expected = context.both(question, case.batches(context.seeds))
        claim = "train() leaves a given optimizer's state and settings alone, but for the rate"
        if not same_bits(answer["settings"], expected["settings"]):
            raise CheckFailed(
                "settings", claim, f"an optimizer of another kind or with other settings than usual ({kind}) has others"
            )
        for name in (name for name in expected if name.startswith("param.")):
            if not np.max(np.abs(answer[name] - expected[name])) <= CLOSE * case.lr * case.steps:
                raise CheckFailed(
                    "forgotten",
                    claim,
                    f"with an optimizer ({kind}) that has made a step before, {name.split('.', 2)[2]} ends elsewhere",
                )
