"""What checks of joint training require: of two losses in one graph, of a run on both, of class scores beside logits.

A head is the candidate's own: what it reads behind the blocks, through what, and with which weights it starts. So
nothing of it is compared with the reference. The candidate's joint losses are compared with its own language model, its
gradients with how its losses change, and its runs with the contract's loop around its own ``loss_fn``. What is wrong
without classes as well is for other checks to say.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
from hypothesis.strategies import SearchStrategy
from msgspec.structs import replace

from grader.checks.ablation import SILENT_ATTENTION
from grader.checks.check import CheckFailed, Context
from grader.checks.classifier_cases import ClassCase, class_case, class_cases
from grader.checks.compare import close, same_bits
from grader.checks.requirements import logits_of, require_inputs_kept, require_no_trace
from grader.checks.strategies import FEW
from grader.packages.trouble import PackageMisanswered, PackageRaised, Trouble
from grader.sandbox.questions import Forward, JointLosses, Modes, PairedRuns, Settings, Watched
from grader.sandbox.wire import Array, Tensors
from grader.sizes import Extent, at_most

DROPOUT: Final = 0.4
ROUND: Final = (4, 8, 16)  # numbers of classes
ANY: Final = (1, 2, 3, *ROUND, *range(3, 24))  # few and more than there are words
NEXT_TO_NOTHING: Final = 1e-9  # of dropout: nothing is dropped, and all is asked as if something were


def joint_cases() -> SearchStrategy[ClassCase]:
    """Models of one to three layers with a head, and a few rows."""
    return class_cases(rows=(2, 3))


def joint_case(extent: Extent) -> ClassCase:
    """More rows, and a wider model of two layers, than those of the default run."""
    return class_case(at_most(extent, tokens=FEW + 1, rows=17, layers=2, width=33))


def class_weights(random: np.random.Generator) -> tuple[float, ...]:
    """Weights of the class loss: tiny, usual and large ones with many digits, 1, and one below 0."""
    tiny, usual, large = (float(10 ** random.uniform(*ends)) for ends in ((-4.3, -2.5), (-1.0, 0.7), (1.7, 2.3)))
    return usual, tiny, large, 1.0, -usual


def _random(case: ClassCase, context: Context, what: str) -> np.random.Generator:
    return np.random.default_rng(context.seeds.derive(what, case.data, case.weights))


def _batch(case: ClassCase, classes: int, random: np.random.Generator) -> dict[str, Array]:
    """The case's tokens, any targets, and labels that have nothing to do with parity."""
    tokens = case.token_array()
    targets, labels = (random.integers(0, most, tokens.shape) for most in (case.scored, classes))
    return {"tokens": tokens, "targets": targets, "labels": labels}


# Gradients of one graph


ROUNDING: Final = 1e-6  # of the largest gradient: 2e-7 is what a softmax in float32 rounds them to on their way
BENT: Final = 0.02  # of what a slope adds up from: curves take 1e-6 of it, a softmax in float32 1e-4
TOTAL: Final = "total = LM loss + class_weight * class loss, and so are their gradients"
SLOPES: Final = "the gradient of each loss tells how that loss changes with the parameters"


def require_joint_gradients(case: ClassCase, context: Context, *, traced: Callable[[], bool]) -> None:
    """Both losses and their gradients: in training mode, beside the language model alone; and with dropout, in both
    modes.

    Args:
        traced: whether a plain forward pass leaves a trace itself, which is for other checks to say.
    """
    random = _random(case, context, "joint gradients")
    weights = class_weights(random)
    weights = weights if case.length <= FEW else weights[:1]
    joint = _joint(case, context, case.n_classes, weights, {}, traced=traced)
    _require_sums(joint, weights)
    plain = _plain(case, context, {})
    _require_own_lm(joint, plain)
    _require_slopes(joint, lambda: plain, "in training mode")
    # Numbers that are round in binary are as likely to be treated otherwise as all others together.
    asked = ((True, "training", ROUND), (False, "eval", ANY))
    for training, mode, numbers in asked if case.length <= FEW else ():
        classes, weight = int(random.choice(numbers)), float(random.choice(weights))
        more: Settings = {"dropout": DROPOUT}
        joint = _joint(case, context, classes, (weight,), more, training=training, traced=traced)
        _require_sums(joint, (weight,))
        alone = partial(_plain, case, context, more, training=training)
        _require_slopes(joint, alone, f"in {mode} mode with dropout={DROPOUT} and n_classes={classes}")


def _joint(
    case: ClassCase,
    context: Context,
    classes: int,
    weights: tuple[float, ...],
    more: Settings,
    *,
    training: bool = True,
    traced: Callable[[], bool],
) -> Tensors:
    """What loss_fn says at these weights, once it has left everything as it was."""
    config = case.config | {"n_classes": classes} | more
    question = JointLosses(
        config=config,
        weights=case.seeded(context.seeds),
        class_weights=weights,
        seed=context.seeds.derive("joint", case.data) % 2**31,
        training=training,
    )
    batch = _batch(case, classes, np.random.default_rng(context.seeds.derive("joint batch", case.data)))
    answer = context.ask(question, batch)
    claim = "loss_fn leaves batch, model, settings and random generators as they were"
    for name, given in batch.items():
        require_inputs_kept(claim, name, given, answer[name])
    drops = bool(config.get("dropout")) and training
    try:
        require_no_trace(claim, answer, where="loss_fn with a class_weight", free=("rng",) if drops else ())
    except CheckFailed:
        if not traced():
            raise
    return answer


def _plain(case: ClassCase, context: Context, more: Settings, *, training: bool = True) -> Tensors:
    """The same of the language model alone."""
    question = JointLosses(
        config=case.headless | more,
        weights=case.seeded(context.seeds),
        class_weights=(0.0,),
        seed=context.seeds.derive("joint", case.data) % 2**31,
        training=training,
    )
    return context.ask(
        question, _batch(case, case.n_classes, np.random.default_rng(context.seeds.derive("joint batch", case.data)))
    )


def _require_sums(answer: Tensors, weights: tuple[float, ...]) -> None:
    """The total at each weight is the sum of both losses, and so is its gradient."""
    for i, weight in enumerate(weights):
        if f"class.{i}" not in answer:
            seen = f"with class_weight={weight!r} it is None"
            raise CheckFailed("class-loss-none", "the class loss is None exactly when class_weight is 0", seen)
        total, lm, classes = (answer[f"{name}.{i}"] for name in ("total", "lm", "class"))
        if not close(total, lm + weight * classes, "scalar loss, float64"):
            said = f"the total is {float(total)!r} for {float(lm)!r} and {float(classes)!r}"
            raise CheckFailed("joint-total", TOTAL, f"with class_weight={weight!r} {said}")
        parts = [_gradients(answer, name) for name in (f"total.{i}", "lm.0", "class.0")]
        largest = max([1e-300, *(_size(g) for g in parts[1].values())])
        largest = max([largest, *(abs(weight) * _size(g) for g in parts[2].values())])
        for name in sorted(set().union(*parts)):
            zero = np.zeros_like(next(side[name] for side in parts if name in side))
            summed, lm_part, class_part = (side.get(name, zero) for side in parts)
            if not _size(summed - lm_part - weight * class_part) <= ROUNDING * largest:
                seen = f"with class_weight={weight!r} the gradients of {name} do not add up"
                raise CheckFailed("joint-sum", TOTAL, seen)


def _require_own_lm(joint: Tensors, plain: Tensors) -> None:
    """The language model's loss and gradients are what they are without classes."""
    claim = "trained on both losses, the language model has the loss and the gradients that it has alone"
    if not close(joint["lm.0"], plain["total.0"], "scalar loss, float64"):
        raise CheckFailed(
            "joint-lm", claim, f"with classes its loss is {float(joint['lm.0'])!r}, alone {float(plain['total.0'])!r}"
        )
    alone, beside = _gradients(plain, "total.0"), _gradients(joint, "lm.0")
    largest = max([1e-300, *map(_size, alone.values())])
    for name, expected in alone.items():
        if not _size(beside.get(name, np.zeros_like(expected)) - expected) <= ROUNDING * largest:
            raise CheckFailed("joint-lm", claim, f"with classes the gradient of {name} is another one")


def _require_slopes(joint: Tensors, plain: Callable[[], Tensors], where: str) -> None:
    """Gradients are as steep as the losses are; those of the language model alone are for other checks to find."""
    for part, words in (("lm", "LM loss"), ("class", "class loss"), ("total", "total")):
        measured, said, _ = slope = joint[f"slope.{part}"]
        if _is_bent(slope) and not _is_bent(plain()["slope.total"]):
            raise CheckFailed(
                f"slope-{part}",
                SLOPES,
                f"{where}, the {words} changes by {measured:.4g} where its gradient says {said:.4g}",
            )


def _is_bent(slope: Array) -> bool:
    """Whether a loss changes otherwise than its gradient says."""
    measured, said, terms = slope
    # One class alone costs nothing, and nothing changes that.
    return not abs(measured - said) <= BENT * max(terms, 1e-9)


def _gradients(answer: Tensors, part: str) -> dict[str, Array]:
    start = f"{part}.grad."
    return {name.removeprefix(start): array for name, array in answer.items() if name.startswith(start)}


def _size(array: Array) -> float:
    """The largest absolute value; NaN where there is one."""
    return float(np.max(np.abs(array), initial=0.0))


# Runs on both losses


RATE: Final = 0.01  # small: where in the step decay is applied is worth rate * rate * decay, and left to the solution
DECAY: Final = 0.05
FIRST: Final = "scalar loss, float64"
CLIP: Final = 2e-5  # of a gradient: torch clips by the norm + 1e-6, others by the norm
LATER: Final = 1e-3  # of a gradient after some steps, and of the rate for each step
NOISE: Final = 1e-3  # of the largest gradient: below it may be nothing but rounding
JOINT_RUN: Final = "train makes the contract's steps, on LM loss + class_weight * class loss"
SIDES: Final = ("own", "right")


def require_joint_run(case: ClassCase, context: Context) -> None:
    """Some runs with classes; where the same run without them differs too, it is not the classes'."""
    for question, batches in _runs(case, context):
        found = _what_differs(question, batches, context)
        if found is None:
            continue
        alone = {name: value for name, value in question.config.items() if name != "n_classes"}
        plain = replace(question, config=alone, train=question.train | {"class_weight": 0.0})
        alike = _what_differs(plain, batches, context)
        if alike is None or isinstance(alike, CheckFailed) != isinstance(found, CheckFailed):
            raise found
        return


def _what_differs(question: PairedRuns, batches: Tensors, context: Context) -> CheckFailed | Trouble | None:
    """What keeps a run from being the contract's, if anything does; raises what keeps it from being asked for."""
    try:
        _require_same_run(context.ask(question, batches), batches)
    except PackageRaised as raised:
        if raised.unbuilt:
            raise
        return raised
    except (CheckFailed, PackageMisanswered) as found:
        return found
    return None


def _runs(case: ClassCase, context: Context) -> Iterator[tuple[PairedRuns, Tensors]]:
    """With labels of any kind and dropout; then a step at a tiny weight, and one at a large one, on its own batch."""
    random = _random(case, context, "joint run")
    usual, tiny, large, *_ = class_weights(random)
    several = int(random.integers(4, 7))
    asked = ((usual, DROPOUT, True, several), (tiny, 0.0, True, 1), (large, 0.0, False, 1))
    for weight, dropout, is_given, steps in asked:
        rows, length = case.token_array().shape
        classes = max(2 + is_given, int(random.choice(ANY)))
        train: Settings = {
            "vocab_size": case.vocab_size,
            "seq_len": length,
            "batch_size": rows,
            "steps": steps,
            "lr": RATE,
            "weight_decay": DECAY,
            "grad_clip": float(random.choice((0.3, 1000.0))),
            "warmup": int(random.integers(1, 5)),
            "class_weight": weight,
            "seed": int(random.integers(1, 2**31)),
        }
        question = PairedRuns(
            config=case.config | {"n_classes": classes, "dropout": dropout, "n_layer": 1 + (steps > 1)},
            weights=case.seeded(context.seeds),
            train=train,
            pulls=steps > 1,
            seed=int(random.integers(1, 2**31)),
        )
        shape = (steps, rows, length)
        bounds = {"tokens": case.vocab_size, "targets": case.scored, "labels": classes}
        yield question, {name: random.integers(0, most, shape) for name, most in bounds.items()} if is_given else {}


def _require_same_run(answer: Tensors, batches: Tensors) -> None:
    """Losses, gradients, parameters and generators of both loops, and where both optimizers go."""
    own, right = (answer[f"{side}.losses"] for side in SIDES)
    for step, (reported, expected) in enumerate(zip(own, right, strict=True)):
        tolerance = "losses of a run, float64" if step else FIRST
        is_same = np.array_equal(np.isnan(reported), np.isnan(expected))
        if not (is_same and close(np.nan_to_num(reported), np.nan_to_num(expected), tolerance)):
            raise CheckFailed("joint-losses", JOINT_RUN, f"in step {step} it reports other losses: {reported.tolist()}")
    _require_same_gradients(answer)
    for name, words in (("rng", "torch's"), ("python", "Python's")):
        if not same_bits(answer[f"own.{name}"], answer[f"right.{name}"]):
            raise CheckFailed("joint-draws", JOINT_RUN, f"it moves {words} generator, beside what the model draws")
    slack = LATER * RATE * len(own)
    for kind, most in (("param", slack), ("stepped", CLIP * RATE)):
        for name in (name for name in answer if name.startswith(f"right.{kind}.")):
            got, words = answer.get(name.replace("right", "own", 1)), name.removeprefix(f"right.{kind}.")
            if got is None or not _size(got - answer[name]) <= most:
                who = "at the end of a run" if kind == "param" else "where its optimizer takes it,"
                raise CheckFailed(f"joint-{kind}", JOINT_RUN, f"{who} {words} differs")
    for name, given in batches.items():
        require_inputs_kept("train leaves batches as they were", name, given, answer[name])


def _require_same_gradients(answer: Tensors) -> None:
    steps = len(answer["right.losses"])
    for step in range(steps):
        own, right = (_of_step(answer, side, step) for side in SIDES)
        largest = max([1e-300, *map(_size, right.values())])
        for name, expected in right.items():
            most = (LATER if step else CLIP) * max(_size(expected), NOISE * largest)
            if name not in own or not _size(own[name] - expected) <= most:
                raise CheckFailed("joint-gradient", JOINT_RUN, f"step {step} is made with another gradient of {name}")


def _of_step(answer: Tensors, side: str, step: int) -> dict[str, Array]:
    start = f"{side}.grad.{step}."
    return {name.removeprefix(start): array for name, array in answer.items() if name.startswith(start)}


# Class scores beside the logits


LEAVES: Final = "classify=True leaves tokens, parameters, gradients, modes, settings and random generators as they were"
STREAM: Final = "class scores are of the stream that the logits are of, in every mode and precision"
CALLS: Final = (101, 140)  # more than a round number


def require_no_class_trace(case: ClassCase, context: Context) -> None:
    """Scored twice in a row in every mode, with dropout too, and once many times."""
    random = _random(case, context, "class trace")
    tokens = random.integers(1, case.vocab_size, case.token_array().shape)  # no zeros, which are what is written mostly
    asked: tuple[tuple[Modes, float, int], ...] = (
        ("training", 0.0, int(random.integers(*CALLS))),
        ("mixed", 0.0, 2),
        ("eval", DROPOUT, 2),
        ("training", DROPOUT, 2),
    )
    for modes, dropout, times in asked:
        is_short = times > 2
        text = tokens[:1, :1] if is_short else tokens
        question = Watched(
            config=case.config | {"dropout": dropout} | ({"n_layer": 1} if is_short else {}),
            weights=case.seeded(context.seeds),
            call="classify",
            modes=modes,
            times=times,
        )
        answer = context.ask(question, {"tokens": text})
        drops = modes == "training" and dropout > 0
        where = f"classify=True in {modes} mode, with dropout={dropout},"
        require_inputs_kept(LEAVES, "tokens", text, answer["tokens"])
        require_no_trace(LEAVES, answer, where=where, free=("rng",) if drops else ())
        last = answer["result.2" if is_short else "result.1"]
        if not drops and not close(last, answer["result.0"], "logits, float64"):
            seen = f"{where} gives other scores for the same tokens after {times - 1} more calls"
            raise CheckFailed("scores-drift", "the same tokens have the same class scores each time", seen)
    _require_same_draws(case, context)


def _require_same_draws(case: ClassCase, context: Context) -> None:
    """With dropout, the logits beside class scores are those without, from the same seed: nothing more is dropped."""
    tokens, weights = {"tokens.0": case.token_array()}, case.seeded(context.seeds)
    seed = context.seeds.derive("class draws", case.data) % 2**31
    more: Settings = {"dropout": DROPOUT}
    plain, beside, unasked = (
        context.ask(
            Forward(config=config | more, weights=weights, training=True, recording=True, seed=seed, classify=classify),
            tokens,
        )["logits.0"]
        for config, classify in ((case.headless, False), (case.config, True), (case.config, False))
    )
    for logits, words in ((unasked, "of a model with a head"), (beside, "beside class scores")):
        if not close(logits, plain, "logits, float64"):
            raise CheckFailed(
                "more-dropped",
                "with dropout too, a head leaves the logits as they are without it",
                f"from the same seed, in training mode with dropout={DROPOUT}, the logits {words} are others",
            )


def require_one_stream(case: ClassCase, context: Context) -> None:
    """The same scores in both modes and precisions; with dropout, by their place."""
    _require_every_mode(case, context)
    _require_by_place(case, context)


def _require_every_mode(case: ClassCase, context: Context) -> None:
    """Where nothing is dropped, modes, rates and precisions make no difference; unless they do to the logits too."""
    weights, tokens = case.seeded(context.seeds), case.token_array()
    twice = {f"tokens.{i}": tokens for i in range(2)}
    wide = Forward(config=case.config, weights=weights, classify=True, modes=(False, True), recording=True)
    narrow = replace(wide, precision="float32")
    rated = replace(wide, config=case.config | {"dropout": DROPOUT}, modes=(False, False))
    barely = replace(wide, config=case.config | {"dropout": NEXT_TO_NOTHING}, modes=(True, True))
    answers = {id(question): context.ask(question, twice) for question in (wide, rated, barely, narrow)}
    right = answers[id(wide)]
    for question, i, tolerance, where in (
        (wide, 1, "logits, softmax in float32", "in training mode"),
        (rated, 0, "logits, softmax in float32", f"in eval mode with dropout={DROPOUT}"),
        (barely, 0, "logits, softmax in float32", f"in training mode with dropout={NEXT_TO_NOTHING}"),
        (narrow, 0, "logits, float32, another order", "in float32"),
        (narrow, 1, "logits, float32, another order", "in float32, in training mode,"),
    ):
        answer = answers[id(question)]
        if not close(answer[f"logits.{i}"], right["logits.0"], tolerance):
            continue  # that is for other checks to say
        if not close(answer[f"class_logits.{i}"], right["class_logits.0"], tolerance):
            raise CheckFailed("mode", STREAM, f"{where} they are not those of eval mode in float64 without dropout")


def _require_by_place(case: ClassCase, context: Context) -> None:
    """With dropout and without attention, another first token moves the scores of none but the first place."""
    tokens = case.token_array()
    other = tokens.copy()
    other[:, 0] = (other[:, 0] + 1) % case.vocab_size
    question = Forward(
        config=case.config | {"dropout": DROPOUT},
        weights=case.seeded(context.seeds, factors=SILENT_ATTENTION),
        training=True,
        recording=True,
        seed=context.seeds.derive("class places", case.data) % 2**31,
        classify=True,
    )
    answer = context.ask(question, {"tokens.0": tokens, "tokens.1": other})
    for kind in ("logits", "class_logits"):
        one, two = (logits_of(answer, f"{kind}.{i}", tokens)[:, 1:] for i in range(2))
        if close(one, two, "logits, float64"):
            continue
        if kind == "logits":
            return  # that is for other checks to say
        raise CheckFailed(
            "by-place",
            "class scores are those of what the blocks leave behind at their token, wherever it stands",
            f"in training mode with dropout={DROPOUT} and attention silenced, another first token moves later scores",
        )
