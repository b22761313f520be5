"""Checks of the token classifier."""

from functools import partial
from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.checks.ablation import SILENT_ATTENTION
from grader.checks.check import CheckFailed, Context, check
from grader.checks.classifier_cases import (
    ClassCase,
    FitCase,
    broad_class_case,
    class_case,
    class_cases,
    few_classified,
    fit_cases,
    judge,
)
from grader.checks.compare import TOLERANCES, close, finite, first_difference, same_bits
from grader.checks.families.determinism import forward_is_to_blame
from grader.checks.families.learning_rate import learning_rate_schedule
from grader.checks.families.masking import past_is_seen
from grader.checks.families.optimizer import decay_spares_vectors
from grader.checks.families.position import position_row_reach
from grader.checks.families.projection import forward_runs
from grader.checks.families.training_loop import (
    losses_are_numbers,
    parameters_move,
    require_kinds,
    step_is_exact,
    training_repeats,
)
from grader.checks.joint_training import (
    joint_case,
    joint_cases,
    require_joint_gradients,
    require_joint_run,
    require_no_class_trace,
    require_one_stream,
)
from grader.checks.requirements import beyond_rounding, logits_of, must_refuse, places
from grader.checks.snippets import config_of, model_snippet
from grader.checks.strategies import FEW, WEIGHT_DRAWS
from grader.checks.training_cases import TRAIN_CASES, TrainCase, train_case
from grader.packages.trouble import PackageMisanswered, PackageRaised, Trouble
from grader.result.record import TokenGrid
from grader.sandbox.questions import (
    KINDS,
    Decode,
    Evaluate,
    Forward,
    Generate,
    Loss,
    MakeBatch,
    Parameters,
    Settings,
    StandInQuestion,
    TrainSteps,
    WatchedTraining,
)
from grader.sandbox.wire import Array, Tensors
from grader.sizes import MODEL, RUN, Extent, at_most

ONE = 1  # class: a head all the same


@check(
    needs=(forward_runs,),
    cases=class_cases(),
    at_size=few_classified,
    default=MODEL,
    examples=3,
)
def class_logits_shape(case: ClassCase, context: Context) -> None:
    """With classify=True there is one score a class for every token, beside the usual logits.

    ## Why it matters
    Everything after it, from the loss to the accuracy, takes the shape for granted; and a head that is not
    there should be an error, not a surprise.

    ## Usual causes
    - The head pools over time, or only looks at the last token.
    - The head goes by where a token stands, or by how many there are.
    - The head was built for another number of classes.
    - classify=True without a head returns None instead of raising a ValueError.
    """
    # Shape and dtype, the error without a head, and that a score is of what the blocks leave behind at its token alone.
    weights = case.seeded(context.seeds)
    tokens = {"tokens.0": case.token_array()}
    for classes in dict.fromkeys((case.n_classes, ONE)):
        config = case.config | {"n_classes": classes}
        question = Forward(config=config, weights=weights, precision="float32", classify=True)
        scores = context.ask(question, tokens)["class_logits.0"]
        expected = (*case.token_array().shape, classes)
        if scores.shape != expected or scores.dtype != "float32":
            raise CheckFailed(
                "class-shape",
                f"class logits are float32 of shape (B, T, n_classes) = {expected}",
                f"with n_classes={classes} they are {scores.dtype} of shape {tuple(scores.shape)}",
            )
        _require_own_scores(scores)
    headless = Forward(config=case.headless, weights=weights, classify=True)
    must_refuse(context, headless, tokens, "classify=True on a model without a head")
    _score_the_stream_alone(case, context)


def _require_own_scores(scores: Array) -> None:
    """Require of scores (B, T, classes) that no two classes have the same ones for every token."""
    by_class = np.moveaxis(scores, -1, 0).reshape(scores.shape[-1], -1)
    if finite(by_class) and len(np.unique(by_class, axis=0)) < len(by_class):
        raise CheckFailed(
            "shared-scores", "each class has a score of its own", f"of {len(by_class)} classes two have the same ones"
        )


TABLE: Final = "position_embedding.weight"
RUN_ROWS: Final = (RUN.rows, RUN.tokens)
TALL: Final = (33, 60)  # rows of a few tokens
DEEP: Final = (3, 7)  # layers


def _score_the_stream_alone(case: ClassCase, context: Context) -> None:
    """Where attention and positions add nothing, a token has the scores that it has as the only one of a text."""
    words = np.arange(case.vocab_size)[:, None]
    random = np.random.default_rng(context.seeds.derive("by place", case.data))
    tall = int(random.integers(*TALL)), 2
    is_small = case.length <= FEW and "placed" not in context.state  # once: more rows cost more than all else
    more = [random.integers(0, case.vocab_size, shape) for shape in (RUN_ROWS, tall) if is_small]
    texts = [case.token_array(), *more]
    config = case.config | {"block_size": max(case.block_size, *(each.shape[1] for each in texts))}
    named = context.reference.ask(Parameters(config=case.config, seed=case.data), {})
    # A model called by an adapter.py may have no table: what turns queries and keys is silent with attention.
    positions = {TABLE: 0.0} if any(name.endswith(TABLE) for name in named) else {}
    weights = case.seeded(context.seeds, factors={**SILENT_ATTENTION, **positions})
    deep = {"n_layer": int(random.integers(*DEEP))}
    for sizes in (config, config | deep) if is_small else (config,):
        question = Forward(config=sizes, weights=weights, classify=True)
        answer = context.ask(question, {f"tokens.{i}": each for i, each in enumerate((words, *texts))})
        if answer["class_logits.0"].shape != (*words.shape, case.n_classes):
            return  # that is for other checks to say
        _require_scores_by_word(answer, texts)
    context.state["placed"] = True


def _require_scores_by_word(answer: Tensors, texts: list[Array]) -> None:
    """Require of the scores of texts that each token has those of its word, which come first."""
    alone = answer["class_logits.0"]
    if not finite(alone):
        return  # that is for other checks to say
    for i, each in enumerate(texts, 1):
        scores, expected = answer[f"class_logits.{i}"], alone[each, 0]
        if finite(scores) and not close(scores, expected, "logits, softmax in float32"):
            row, t = places(beyond_rounding(scores, expected))[0]
            raise CheckFailed(
                "by-place",
                "class scores are those of what the blocks leave behind at their token, wherever it stands",
                f"with attention and positions silenced, the scores at position {t} of row {row} are not those of the "
                "same token by itself",
                grid=TokenGrid(tokens=tuple(map(tuple, each.tolist())), named=((row, t),)),
            )


def two_layers(extent: Extent) -> ClassCase:
    """Two texts of these sizes for two layers: several models are built for them."""
    return few_classified(at_most(extent, layers=2))


@check(needs=(forward_runs,), cases=class_cases(), at_size=two_layers, examples=3)
def lm_untouched(case: ClassCase, context: Context) -> None:
    """A classifier head changes nothing else: same initial parameters, same logits, bit for bit.

    ## Why it matters
    An extra head must not make the language model another one, or no run with the head can be compared with a
    run without it.

    ## Usual causes
    - The head is built before or between the other layers and shifts their random numbers.
    - Initialisation walks over all modules in an order that the head changes.
    - The trunk runs twice, or in another way, when classify=True.
    """
    # Initial parameters and logits, with the head and without it; then what is decoded.
    for dropout in (0.0, DROPOUT):
        _require_same_start(case, context, dropout)
    weights, tokens = case.seeded(context.seeds), {"tokens.0": case.token_array()}
    plain = context.ask(Forward(config=case.headless, weights=weights, precision="float32"), tokens)["logits.0"]
    for classify in (False, True):
        question = Forward(config=case.config, weights=weights, precision="float32", classify=classify)
        if not same_bits(context.ask(question, tokens)["logits.0"], plain):
            raise CheckFailed(
                "logits-disturbed",
                "logits are bit-identical with and without the head",
                f"with the head and classify={classify} they differ",
            )
    if case.length <= FEW and "decoded" not in context.state:  # once: it costs as much as all else
        _require_same_decoding(case, context)
        context.state["decoded"] = True


DROPOUT: Final = 0.25


def _require_same_start(case: ClassCase, context: Context, dropout: float) -> None:
    without, with_head = (
        context.ask(Parameters(config=config | {"dropout": dropout}, seed=case.data), {})
        for config in (case.headless, case.config)
    )
    difference = first_difference({name: with_head[name] for name in without if name in with_head}, without)
    if difference is not None:
        raise CheckFailed(
            "init-disturbed",
            "with n_classes > 0 every other parameter starts with the same bits as with n_classes = 0",
            f"{difference.tensor} is the first that differs",
        )
    if len(with_head) == len(without):
        raise CheckFailed("no-head", "n_classes > 0 adds the head's parameters", "there is no new parameter")


def _require_same_decoding(case: ClassCase, context: Context) -> None:
    """What is generated and decoded with a head is what is without it, where that is built and works."""
    weights, tokens = case.seeded(context.seeds), case.token_array()
    prompt, last = tokens[:, :1], case.length - 1
    chunks = {"chunk.0": prompt, "chunk.1": tokens[:, 1:].copy()}
    for kind in ("generate", "generate with the cache", "forward_incremental"):

        def answered(config: Settings, kind: str = kind) -> Tensors:
            if kind == "forward_incremental":
                return context.ask(Decode(config=config, weights=weights, parents=(-1, 0)), chunks)
            question = Generate(config=config, weights=weights, max_new_tokens=last, use_cache="cache" in kind)
            return context.ask(question, {"prompt": prompt})

        try:
            without = answered(case.headless)
        except (PackageRaised, PackageMisanswered):
            continue
        except Trouble:  # a hang would be waited for again
            return
        if first_difference(answered(case.config), without) is not None:
            raise CheckFailed(
                "decoding-disturbed", "a model with a head generates and decodes as one without", f"{kind} differs"
            )


DRAWN_AFTER = 4


def _head_leaves_the_stream_snippet(case: ClassCase) -> str:
    """The same by hand."""
    return model_snippet(
        case,
        f"""
drawn = []
for n_classes in (0, {case.n_classes}):
    torch.manual_seed(0)
    GPT(GPTConfig(vocab_size={case.vocab_size}, d_model={case.d_model}, n_classes=n_classes))
    drawn.append(torch.rand(4))
    print(f"n_classes={{n_classes}}: {{drawn[-1]}}")
assert torch.equal(*drawn), "the head moves what is drawn after it"
""",
    )


@check(
    cases=class_cases(),
    snippet=_head_leaves_the_stream_snippet,
    needs=(lm_untouched,),
    examples=2,
)
def head_leaves_the_stream(case: ClassCase, context: Context) -> None:
    """Building a classifier head takes nothing from the random numbers that others draw.

    ## Why it matters
    After the model is built, the same generator decides what dropout drops and how data are shuffled. If a head takes a
    few numbers out of the stream, every run with a head differs from its twin without one, for no reason in the model.

    ## Usual causes
    - The head is initialised with the generator that all of torch shares, and its state is not put back.
    """
    # What torch draws after a model was built, with the head and without it.
    with_head, without = (
        context.ask(Parameters(config=config, seed=case.data, then_draw=DRAWN_AFTER), {})["then.drawn"]
        for config in (case.config, case.headless)
    )
    if not same_bits(with_head, without):
        raise CheckFailed(
            "stream-moved",
            "after a model was built, torch draws the same numbers whether it has a head or not",
            f"with n_classes={case.n_classes} it draws others than with n_classes=0",
        )


PARITY = "labels are the parity of the tokens: 0 for an even one, 1 for an odd one"


def _labels_are_parity_snippet(case: TrainCase) -> str:
    """Labels and parities of a batch, one below the other."""
    return f"""import torch
from train import TrainConfig, make_batch

config = {config_of(case)}
batch = make_batch(config, torch.Generator().manual_seed(0))
print("tokens", batch.tokens)
print("labels", batch.labels)
print("parity", batch.tokens % 2)
assert torch.equal(batch.labels, batch.tokens % 2), "labels are not the parity of the tokens"
"""


@check(cases=TRAIN_CASES, snippet=_labels_are_parity_snippet, examples=3)
def labels_are_parity(case: TrainCase, context: Context) -> None:
    """The label of a token in make_batch's batches is the parity of that very token.

    ## Why it matters
    The classifier learns whatever the labels say. Labels that belong to another token make it a second model of what
    comes next, and its accuracy is that of a guess.

    ## Usual causes
    - Labels are taken from the targets, or from tokens that are shifted.
    - Odd and even are exchanged.
    """
    # Every label of a batch.
    answer = context.ask(MakeBatch(train=case.config, seed=context.seeds.derive("make batch", case.data) % 2**31), {})
    tokens, labels = answer["tokens.0"], answer["labels.0"]
    if labels.shape != tokens.shape:
        raise CheckFailed("labels", PARITY, f"they have shape {labels.shape} for tokens of shape {tokens.shape}")
    off = np.argwhere(labels != tokens % 2)
    if len(off):
        first = tuple(off[0])
        at = f" at position {first[-1]}" if tokens.ndim == 2 else ""
        seen = f"token {int(tokens[first])}{at} has the label {int(labels[first])}"
        raise CheckFailed("labels", PARITY, seen, grid=_grid(case, tokens, labels))


def _grid(case: TrainCase, tokens: Array, labels: Array) -> TokenGrid | None:
    """Labels below tokens, if the batch is of the size that was asked for."""
    if tokens.shape != (case.batch_size, case.seq_len):
        return None
    return TokenGrid(
        tokens=tuple(tuple(map(int, row)) for row in tokens),
        labels=tuple(tuple(map(int, row)) for row in labels),
        wrong=tuple(places(labels != tokens % 2)),
    )


LOSS_WEIGHT = 0.37


LOUD: Final = {"ln_f.weight": 40.0}  # what the heads read, so that scores are large and losses too


def _weights(case: ClassCase, context: Context) -> tuple[float, ...]:
    """Weights of the class loss, a small and a large one: what is cut off at either end is a bug like any other."""
    random = np.random.default_rng(context.seeds.derive("class weight", case.data))
    return round(float(10 ** random.uniform(-3, -1.3)), 5), round(float(10 ** random.uniform(0.3, 1.5)), 3)


def training_tensors(case: ClassCase, seed: int) -> dict[str, Array]:
    """The case's tokens with random targets and labels, each int64 (B, T)."""
    random, tokens = np.random.default_rng(seed), case.token_array()
    return {
        "tokens": tokens,
        "targets": random.integers(0, case.scored, tokens.shape),
        "labels": random.integers(0, case.n_classes, tokens.shape),
    }


@check(needs=(forward_runs,), cases=class_cases(), at_size=broad_class_case, examples=3)
def combined_loss(case: ClassCase, context: Context) -> None:
    """The loss is the LM loss plus class_weight times the cross entropy of the classes.

    ## Why it matters
    Two objectives share one set of weights. A wrong factor, or a wrong mean, silently shifts the balance
    between them.

    ## Usual causes
    - class_weight is left out, or applied to both parts.
    - The mean runs over the wrong axis, or over the batch only.
    - A softmax is taken before the cross entropy.
    """
    # Every part by its formula, from the candidate's own logits.
    tensors = training_tensors(case, context.seeds.derive("labels", case.data))
    for weight in (*_weights(case, context), 0.0, None) if case.length <= FEW else (LOSS_WEIGHT,):
        factors = LOUD if weight else {}
        question = Loss(config=case.config, weights=case.seeded(context.seeds, factors=factors), class_weight=weight)
        _judge(weight, context.ask(question, tensors), tensors)


def _judge(weight: float | None, answer: Tensors, tensors: Tensors) -> None:
    """Without a weight the default holds, which is 0."""
    given = "without a class_weight" if weight is None else f"with class_weight={weight}"
    if ("class" in answer) != bool(weight):
        raise CheckFailed(
            "class-loss-none",
            "the class loss is None exactly when class_weight is 0",
            f"{given} it is {'a number' if 'class' in answer else 'None'}",
        )
    parts = {"lm": cross_entropy(answer["logits"], tensors["targets"])}
    parts["total"] = parts["lm"]
    if weight:
        parts["class"] = cross_entropy(answer["class_logits"], tensors["labels"])
        parts["total"] = parts["lm"] + weight * parts["class"]
    words = {
        "lm": "the LM loss is the mean cross entropy",
        "class": "the class loss is the mean cross entropy",
        "total": "total = LM loss + class_weight * class loss",
    }
    for name in ("lm", "class", "total"):
        if name in parts and not agrees(float(answer[name]), parts[name]):
            raise CheckFailed(
                f"loss-{name}",
                words[name],
                f"{given} the {name} loss is {float(answer[name])!r}; from the logits it is {parts[name]!r}",
            )


def agrees(actual: float, expected: float) -> bool:
    """Whether two float64 losses are equal up to the order of summation; NaN is NaN."""
    if not (np.isfinite(actual) and np.isfinite(expected)):
        return np.array_equal(actual, expected, equal_nan=True)
    return abs(actual - expected) <= TOLERANCES["scalar loss, float64"].relative * max(1.0, abs(expected))


def cross_entropy(logits: Array, targets: Array) -> float:
    """Mean of -log softmax(logits)[target]: logits (..., V), targets int64 (...)."""
    if logits.shape[:-1] != targets.shape or not targets.max() < logits.shape[-1] or logits.dtype.kind != "f":
        raise CheckFailed(
            "shape",
            "there is one vector of scores for each target",
            f"{logits.dtype} of shape {tuple(logits.shape)} for targets of shape {tuple(targets.shape)}",
        )
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_normaliser = np.log(np.exp(shifted).sum(axis=-1))
    chosen = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    return float((log_normaliser - chosen).mean())


# The bias of the keys adds one number to all scores of a row, which a softmax does not see: its gradient is
# rounding (measured below 1e-15 of the largest), and exactly zero in other orders of summation.
ROUNDING: Final = 1e-9
TRUNK: Final = ("token_embedding.", "position_embedding.", "blocks.")  # where above them the head reads is left open
# Of a narrow head with rectified units, now and then none is awake: other weights are tried before that is a failure.
MODELS_TRIED: Final = 8


def distinct_and_broad(extent: Extent) -> ClassCase:
    """A large batch for one layer, where no token of a row occurs twice."""
    return class_case(at_most(extent, layers=1), distinct=True)


@check(
    needs=(forward_runs, past_is_seen, position_row_reach),
    # Of equal tokens without positions the keys are equal too, and their weights have no gradient.
    cases=class_cases(distinct=True),
    at_size=distinct_and_broad,
    examples=2,
)
def gradients_reach(case: ClassCase, context: Context) -> None:
    """The class loss trains the head, and the blocks and embeddings below it.

    ## Why it matters
    A head on a frozen trunk can only use what happens to be there. The extension asks for joint training.

    ## Usual causes
    - The hidden states are detached before the head.
    - The class loss is a float, or is computed under no_grad.
    - The head sits on the token embedding instead of on the last hidden state.
    - A part of what the head reads is detached, or a hook changes the gradient on its way down.
    """
    # Where the class loss of a correct model has a gradient, the candidate's has one; and so has the head.
    model = context.ask(Parameters(config=case.headless, seed=0), {})
    reached: set[str] = set()
    must_reach: set[str] = set()
    for draw in range(MODELS_TRIED):
        drawn = replace(case, weights=(case.weights + draw) % WEIGHT_DRAWS)
        question = Loss(config=case.config, weights=drawn.seeded(context.seeds), class_weight=LOSS_WEIGHT)
        tensors = training_tensors(case, context.seeds.derive("labels", case.data))
        answer, variant = context.both(question, tensors)
        reached |= _reached(answer, 0.0)
        must_reach = must_reach or {name for name in _reached(variant, ROUNDING) if name.startswith(TRUNK)}
        missing, head_is_reached = sorted(must_reach - reached), not reached <= model.keys()
        if not missing and head_is_reached:
            _require_slope(drawn, context, tensors)
            return
    claim = "the class loss has a gradient with respect to the head, every block and both embeddings"
    if missing:
        gradient = answer.get(f"grad.{missing[0]}")
        lost = gradient is not None and not np.isfinite(gradient).all()
        seen = f"that of {missing[0]} is NaN or infinite" if lost else f"it does not reach {missing[0]}"
        raise CheckFailed("trunk", claim, seen)
    raise CheckFailed("head", claim, "it does not reach the head")


ALONG: Final = ("token_embedding.weight", "attn.proj.weight", "mlp.proj.weight")
BY: Final = 0.01  # of the parameters: the class loss is measured with so much more of them, and so much less
BENT: Final = 0.05  # of the slopes: what a curve takes from them over so short a way is a hundredth of that


def _require_slope(case: ClassCase, context: Context, tensors: Tensors) -> None:
    """The gradient of the class loss is as steep as the class loss is, along parameters of the trunk."""

    def asked(by: float, along: tuple[str, ...] = ()) -> Tensors:
        weights = case.seeded(context.seeds, factors=dict.fromkeys(ALONG, 1 + by))
        return context.ask(Loss(config=case.config, weights=weights, class_weight=LOSS_WEIGHT, along=along), tensors)

    if case.length > FEW:
        return  # of many tokens and of few it is the same graph
    slopes = asked(0.0, ALONG)["slopes"]
    more, less = (float(asked(by)["class"]) for by in (BY, -BY))
    measured = (more - less) / (2 * BY)
    if np.isfinite([measured, *slopes]).all() and abs(measured - slopes.sum()) > BENT * np.abs(slopes).sum():
        raise CheckFailed(
            "slope",
            "the gradient of the class loss tells how the class loss changes with the parameters of the trunk",
            f"along {', '.join(ALONG)} it says {slopes.sum():.4g}, and the class loss changes by {measured:.4g}",
        )


def _reached(answer: Tensors, rounding: float) -> set[str]:
    """The parameters whose gradient's largest element is more than this share of the largest there is."""
    sizes = {name.removeprefix("grad."): float(size) for name, size in answer.items() if name.startswith("grad.")}
    return {name for name, size in sizes.items() if size > rounding * max(sizes.values())}


@check(needs=(forward_runs,), cases=fit_cases(classes=(2,)), examples=1)
def learns_parity(case: FitCase, context: Context) -> None:
    """Trained on odd and even tokens, the classifier tells new ones apart.

    ## Why it matters
    Shapes and losses can be right while the head sees the wrong hidden state, or none of the gradient.

    ## Usual causes
    - The head always answers the same class.
    - Labels are shifted against the tokens.
    - The optimizer never sees the head's parameters.
    """
    # The class of a token is its parity.
    judge(case, context, np.arange(case.vocab_size) % 2)


@check(needs=(forward_runs,), cases=fit_cases(classes=(3, 4)), examples=1)
def learns_any_map(case: FitCase, context: Context) -> None:
    """Trained on classes drawn at random for this grade, the classifier learns those too.

    ## Why it matters
    A head that was written to know odd from even has learnt nothing. Given other labels it has to learn those.

    ## Usual causes
    - The answer is computed from the token instead of from the hidden state.
    - The head has room for two classes only.
    """
    # Each token has a class of its own drawing; all classes occur.
    random = np.random.default_rng(context.seeds.derive("class map", case.data))
    class_of = random.permutation(np.arange(case.vocab_size) % case.n_classes)
    judge(case, context, class_of)


# Of the learning rate, for each step. A clip without torch's small safeguard moves parameters by 1e-5 of it, a class
# loss that is left out by more than a tenth.
SLACK = 1e-3


def few_steps(extent: Extent) -> TrainCase:
    """The first few steps of a run of these sizes."""
    return train_case(at_most(extent, steps=4))


@check(
    cases=TRAIN_CASES,
    at_size=few_steps,
    examples=2,
    needs=(
        parameters_move,
        step_is_exact,
        training_repeats,
        learning_rate_schedule,
        losses_are_numbers,
        decay_spares_vectors,
    ),
)
def joint_training_step(case: TrainCase, context: Context) -> None:
    """With class_weight > 0, train_step trains on both losses and reports both.

    ## Why it matters
    A loss that is right on its own is of no use while the loop asks for another one.

    ## Usual causes
    - train_step does not pass config.class_weight on.
    - The class loss is computed and not added, or not reported.
    - What is reported is a tensor, or stands by the name of another loss.
    """
    # Losses and parameters of a stand-in model that has a head, beside those of a correct loop, in float64.
    random = np.random.default_rng(context.seeds.derive("step weight", case.data))
    weight = round(float(10 ** random.uniform(-1, 0.7)), 3)
    question = TrainSteps(
        train=case.config | {"class_weight": weight},
        width=case.width,
        n_classes=2,
        weights=case.weights(context.seeds),
        precision="float64",
    )
    answer, expected = context.both(question, case.batches(context.seeds))
    claim = f"with class_weight={weight}, a step reports and follows LM loss + class_weight * class loss"
    for name in ("class_losses", "lm_losses", "losses"):
        same_length = answer[name].shape == expected[name].shape
        if not same_length or not np.allclose(answer[name], expected[name], rtol=SLACK, atol=0):
            raise CheckFailed("joint-loss", claim, f"the {name} of the steps are {answer[name].tolist()}")
    for name, wanted in expected.items():
        if name.startswith("param."):
            got, steps = answer[name], int(name.split(".")[1]) + 1
            if not np.max(np.abs(got - wanted), initial=0.0) <= SLACK * case.lr * steps:
                raise CheckFailed("joint-step", claim, f"after a step, {name.split('.', 2)[2]} differs")
    watched = WatchedTraining(**{name: getattr(question, name) for name in StandInQuestion.__struct_fields__})
    kinds = context.ask(watched, case.batches(context.seeds))["kinds"]
    if (kinds[:, :2] == KINDS.index("float")).all():  # otherwise it is the step that reports no numbers
        require_kinds(kinds, ("float",) * 3, f"class_weight={weight}")


JOINTLY = (forward_runs, class_logits_shape, combined_loss, gradients_reach)


@check(needs=JOINTLY, cases=joint_cases(), at_size=joint_case, examples=1)
def joint_gradients(case: ClassCase, context: Context) -> None:
    """Trained on both losses, the language model has its own gradients, and the classes' on top of them.

    ## Why it matters
    A joint loss can have the right value and a wrong gradient. The curve looks as it should while one of the two
    objectives is not learnt, or is learnt with another weight than was asked for.

    ## Usual causes
    - The logits, or the hidden states, are detached or scaled where classes are asked for.
    - The weight is capped, rounded, or compared with a threshold instead of with 0.
    - Training mode, or a dropout above 0, takes another way through the model.
    """
    # Both losses at drawn weights and numbers of classes, beside the plain model's and beside how the losses change.
    traced = partial(forward_is_to_blame, case.headless, case.seeded(context.seeds), case.token_array(), context)
    require_joint_gradients(case, context, traced=traced)


@check(needs=(*JOINTLY, joint_training_step), cases=joint_cases(), examples=1)
def joint_run(case: ClassCase, context: Context) -> None:
    """train() trains a model on both losses, with the weight and the labels that it is given, and nothing else changes.

    ## Why it matters
    Everything may be right but for the loop that puts it together. A weight that is changed on the way, or labels that
    are made anew, give a run that answers another question than the one that was asked.

    ## Usual causes
    - The step passes on another weight than config.class_weight.
    - Labels are computed from the tokens, instead of being read from the batch.
    - The optimizer is another one where there are classes.
    - A step draws or seeds, so that dropout drops something else.
    """
    # Short runs of the candidate's own model, beside the contract's loop around its own loss_fn.
    require_joint_run(case, context)


@check(needs=(forward_runs, class_logits_shape), cases=joint_cases(), examples=1)
def classify_leaves_no_trace(case: ClassCase, context: Context) -> None:
    """classify=True adds class scores to the logits, and changes nothing else, however often it is asked for.

    ## Why it matters
    The classifier is asked in the middle of training. If that moves a generator, a mode or a token, the language model
    is trained in another way for having been looked at.

    ## Usual causes
    - The head draws or seeds, or drops where dropout is 0.
    - Tokens are written into to mark something.
    - Modes are set on the way, and not put back for every module.
    - Something is counted from call to call.
    """
    # In all modes with dropout and without; where a plain forward pass leaves a trace, that is for other checks to say.
    try:
        require_no_class_trace(case, context)
    except CheckFailed:
        if not forward_is_to_blame(case.headless, case.seeded(context.seeds), case.token_array(), context):
            raise


@check(needs=(forward_runs, class_logits_shape), cases=joint_cases(), examples=1)
def class_scores_share_the_stream(case: ClassCase, context: Context) -> None:
    """Class scores are read off the stream that the logits are read off, in training mode and in eval mode.

    ## Why it matters
    A trunk that is shared is what joint training is about. A head that reads something else in training than in
    evaluation is measured as another model than the one that was trained.

    ## Usual causes
    - The head takes another way in training mode, or in one precision.
    """
    # Modes, precisions and rates beside each other; and with dropout, where scores come from.
    require_one_stream(case, context)


BATCHES: Final = 3
MANY: Final = 13


def long_or_tall(extent: Extent) -> ClassCase:
    """At the default sizes two long texts, of which there are many batches; beyond them many rows of a few tokens."""
    return class_case(at_most(extent, tokens=4, layers=1) if extent.draw else at_most(extent, rows=2, layers=1))


@check(needs=(forward_runs,), cases=class_cases(), at_size=long_or_tall, default=MODEL, examples=2)
def evaluate_is_honest(case: ClassCase, context: Context) -> None:
    """evaluate() reports the true loss and accuracy, and leaves the model as it found it.

    ## Why it matters
    Evaluation runs in the middle of training. If it leaves the model in eval mode, clears gradients or draws
    random numbers, the training after it is another one.

    ## Usual causes
    - The model is left in eval mode, or always put into training mode.
    - Gradients are computed, or cleared.
    - Accuracy is averaged over the wrong axis, or counted for the LM targets.
    """
    # The report beside the grader's own numbers, and the state before beside the state after.
    random = np.random.default_rng(context.seeds.derive("evaluate", case.data))
    batches = BATCHES if case.length <= FEW else MANY
    shape = (batches, *case.token_array().shape)
    tensors = {
        "tokens": random.integers(0, case.vocab_size, shape),
        "targets": random.integers(0, case.scored, shape),
        "labels": random.integers(0, case.n_classes, shape),
    }
    headless = Evaluate(config=case.headless, weights=case.seeded(context.seeds), training=True, classify=False)
    plain = context.ask(headless, tensors)
    if "class_accuracy" in plain:
        raise CheckFailed("no-head", "without a head, class_accuracy is None", "evaluate reports a number")
    if not agrees(float(plain["lm_loss"]), cross_entropy(plain["logits"], tensors["targets"])):
        raise CheckFailed("lm-loss", "lm_loss is the mean cross entropy over all batches", "it is a different number")
    one_class = tensors | {"labels": np.zeros(shape, dtype=np.int64)}
    single = Evaluate(config=case.config | {"n_classes": 1}, weights=case.seeded(context.seeds), training=True)
    _judge_report(context.ask(single, one_class), one_class)
    for training in (True, False) if len(case.tokens) <= FEW else (True,):
        question = Evaluate(config=case.config, weights=case.seeded(context.seeds), training=training)
        answer = context.ask(question, tensors)
        _judge_report(answer, tensors)
        try:
            _judge_state(answer, training)
        except CheckFailed:
            if not forward_is_to_blame(case.headless, case.seeded(context.seeds), case.token_array(), context):
                raise


def _judge_report(answer: Tensors, tensors: Tensors) -> None:
    loss = cross_entropy(answer["logits"], tensors["targets"])
    if not agrees(float(answer["lm_loss"]), loss):
        raise CheckFailed(
            "lm-loss",
            "lm_loss is the mean cross entropy over all batches",
            f"evaluate says {float(answer['lm_loss'])!r}; from the logits it is {loss!r}",
        )
    accuracy = float((logits_of(answer, "class_logits", tensors["labels"]).argmax(axis=-1) == tensors["labels"]).mean())
    claim = "class_accuracy is the share of tokens whose highest class logit is their label"
    if "class_accuracy" not in answer:
        raise CheckFailed("class-accuracy", claim, "evaluate says None for a model that has a head")
    # A mean taken in float32 is as honest as one in float64.
    if not abs(float(answer["class_accuracy"]) - accuracy) <= 1e-6:
        said = float(answer["class_accuracy"])
        raise CheckFailed("class-accuracy", claim, f"evaluate says {said!r}; from the logits it is {accuracy!r}")


def _judge_state(answer: Tensors, training: bool) -> None:
    mode = "training" if training else "eval"
    for name in (name for name in answer if name.startswith("before.")):
        what = name.removeprefix("before.")
        after: Array | None = answer.get(f"after.{what}")
        if after is None or not same_bits(after, answer[name]):
            words = {"mode": "its mode", "rng": "the random generator's state", "trains": "what is frozen"}.get(
                what, what
            )
            raise CheckFailed(
                "state",
                "evaluate leaves mode, parameters, gradients and random state as they were",
                f"the model was in {mode} mode; evaluate changed {words}",
            )
