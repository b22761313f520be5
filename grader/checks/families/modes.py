"""Checks of training mode and eval mode, in models with dropout."""

from typing import Final, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from msgspec.structs import replace

from grader.checks.agreement import closeness, joined
from grader.checks.check import CheckFailed, Context, check
from grader.checks.classifier_cases import ClassCase, class_cases
from grader.checks.compare import close, same_bits
from grader.checks.configuration_cases import (
    DropoutCase,
    DropoutDecodeCase,
    DropoutHeadCase,
    dropout_cases,
    dropout_decode_cases,
    dropout_head_cases,
    without_dropout,
)
from grader.checks.decoding_cases import DecodeCase
from grader.checks.families.determinism import forward_is_to_blame
from grader.checks.families.heads import cached_heads_equal_full
from grader.checks.families.kv_cache import cached_equals_full
from grader.checks.families.masking import MODEL_WORKS
from grader.checks.families.projection import forward_runs
from grader.checks.requirements import require_inputs_kept, require_no_trace
from grader.checks.snippets import config_of, model_snippet
from grader.checks.strategies import extended, model_cases
from grader.checks.training_cases import STAND_IN_WIDTH, TrainCase, train_cases
from grader.packages.trouble import PackageRaised
from grader.sandbox.questions import (
    Decode,
    Evaluate,
    Forward,
    Modes,
    Settings,
    TrainSteps,
    Watched,
    WatchedEvaluation,
    WatchedTraining,
)
from grader.sandbox.wire import Array, Tensors

DROPOUT_SEEDS = (1, 2)


def _dropout_follows_the_mode_snippet(case: DropoutCase) -> str:
    """Twice the same question."""
    return model_snippet(
        case,
        """
first, second = model(tokens), model(tokens)
print("in eval mode, two passes differ by", float((first - second).abs().max()))
assert torch.allclose(first, second), "a model in eval mode still drops"
model.train()
first, second = model(tokens), model(tokens)
print("in training mode, two passes differ by", float((first - second).abs().max()))
assert not torch.allclose(first, second), "a model in training mode does not drop"
""",
    )


@check(
    cases=dropout_cases(),
    snippet=_dropout_follows_the_mode_snippet,
    needs=(forward_runs,),
    examples=3,
)
def dropout_follows_the_mode(case: DropoutCase, context: Context) -> None:
    """In eval mode dropout does nothing, in training mode it drops.

    ## Why it matters
    Dropout is noise that only training is meant to have. Where it goes on afterwards, every answer is a worse one and
    none can be had twice; where it never starts, the setting has no effect.

    ## Usual causes
    - A functional dropout is called without the mode, and its default is to drop.
    - The mode is read when the model is built, and never again.
    - A layer is kept where `train()` and `eval()` do not reach it.
    """
    # Eval mode with two states of the random generator and without dropout, then training mode with the two states.
    tokens = {"tokens.0": case.token_array()}
    plain = _logits(
        context.ask(
            _seeded_forward(case, context, without_dropout(case), training=False, seed=DROPOUT_SEEDS[0]), tokens
        )
    )
    for seed in DROPOUT_SEEDS:
        if not _same_logits(
            _logits(context.ask(_seeded_forward(case, context, case.config, training=False, seed=seed), tokens)), plain
        ):
            raise CheckFailed(
                "never-off",
                "in eval mode a model with dropout gives the logits of one without",
                f"with dropout={case.dropout}, the logits of a model in eval mode differ",
            )
    first, second = (
        context.both(_seeded_forward(case, context, case.config, training=True, seed=seed), tokens)
        for seed in DROPOUT_SEEDS
    )
    must_move = not _same_logits(_logits(first[1]), _logits(second[1]))
    if must_move and _same_logits(_logits(first[0]), _logits(second[0])):
        raise CheckFailed(
            "never-on",
            "in training mode, dropout drops something else each time",
            f"with dropout={case.dropout}, two forward passes in training mode give the same logits",
        )


def _seeded_forward(case: DropoutCase, context: Context, config: Settings, *, training: bool, seed: int) -> Forward:
    return Forward(config=config, weights=case.seeded(context.seeds), training=training, seed=seed)


def _logits(answer: Tensors) -> Array:
    return answer["logits.0"]


def _same_logits(logits: Array, others: Array) -> bool:
    return closeness(logits, others) is not None


DROPOUT = 0.5
MODES: Final[tuple[Modes, ...]] = get_args(Modes)


def _train_in_training_mode_snippet(case: TrainCase) -> str:
    """A model whose only layer with a mode says which it is in."""
    return f"""import torch
from torch import nn
from train import Batch, TrainConfig, train

config = {config_of(case)}
seen = []


class Watched(nn.Dropout):
    def forward(self, x):
        seen.append(self.training)
        return super().forward(x)


model = nn.Sequential(nn.Embedding({case.vocab_size}, 6), Watched(0.5), nn.Linear(6, {case.vocab_size})).eval()
tokens = torch.randint({case.vocab_size}, ({case.batch_size}, {case.seq_len} + 1))
batch = Batch(tokens[:, :-1], tokens[:, 1:], tokens[:, :-1] % 2)
train(model, config, batches=[batch] * config.steps)
print(seen)
assert all(seen), "train() trains in eval mode"
"""


@check(
    cases=train_cases(batch_size=(2,), steps=(2,)),
    snippet=_train_in_training_mode_snippet,
    examples=2,
)
def train_in_training_mode(case: TrainCase, context: Context) -> None:
    """train() puts the model into training mode, whatever mode it comes in, and leaves it there.

    ## Why it matters
    A model that was just evaluated is in eval mode. Trained in it, it trains without the dropout it was configured
    with, and nothing says so but a loss that is a little too good.

    ## Usual causes
    - train() relies on the mode that it finds.
    - The model is put into eval mode for an evaluation, or in the end, and never put back.
    - The mode of the outermost module alone is set.
    """
    # A stand-in with dropout that comes in training mode and one that comes in eval mode; and one without dropout.
    usual, from_eval, plain = (
        _losses(case, context, dropout=dropout, in_eval=in_eval)
        for dropout, in_eval in ((DROPOUT, False), (DROPOUT, True), (0.0, False))
    )
    claim = "train() trains in training mode, with dropout on"
    if np.abs(usual[:1] - plain[:1]).max() <= 1e-9:
        raise CheckFailed("no-dropout", claim, f"with dropout={DROPOUT} the first loss is the one without dropout")
    if not close(from_eval, usual, "scalar loss, float64"):
        raise CheckFailed(
            "mode-kept", claim, "a model that comes in eval mode has other losses than one that comes in training mode"
        )
    _stays(case, context)


def _stays(case: TrainCase, context: Context) -> None:
    """The mode at every forward pass, all parts of the model taken together, and in the end."""
    for modes in MODES:
        question = WatchedTraining(
            train=case.config, width=STAND_IN_WIDTH, weights=case.weights(context.seeds), modes=modes
        )
        answer = context.ask(question, case.batches(context.seeds))
        came = f"a model that comes in {modes} mode"
        if not answer["modes"].all():
            raise CheckFailed(
                "left-on-the-way", "train() trains in training mode, every module of it", f"{came} is not always in it"
            )
        if modes == "training" and not answer["after.mode"].all():
            raise CheckFailed("left-behind", "train() leaves the model in training mode", f"{came} is not any more")


def _losses(case: TrainCase, context: Context, *, dropout: float, in_eval: bool) -> Array:
    question = TrainSteps(
        train=case.config,
        width=STAND_IN_WIDTH,
        weights=case.weights(context.seeds),
        precision="float64",
        whole=True,
        dropout=dropout,
        in_eval=in_eval,
    )
    return context.ask(question, case.batches(context.seeds))["losses"]


BATCHES = 2


def _evaluate_in_eval_mode_snippet(case: DropoutCase) -> str:
    """Evaluate one batch twice."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""import torch
from model import GPT, GPTConfig
from train import Batch, evaluate

torch.manual_seed(0)
model = GPT(GPTConfig({settings})).train()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
tokens = torch.tensor({[list(row) for row in case.tokens]})
batch = Batch(tokens, (tokens + 1) % {case.vocab_size}, tokens % 2)
losses = [evaluate(model, [batch])["lm_loss"] for _ in range(2)]
print(losses)
assert abs(losses[0] - losses[1]) < 1e-4, "evaluate() measures with dropout on"
assert model.training, "a model that was in training mode is not any more"
"""


@check(
    cases=dropout_cases(narrow=True),
    snippet=_evaluate_in_eval_mode_snippet,
    needs=(forward_runs, dropout_follows_the_mode),
    examples=2,
)
def evaluate_in_eval_mode(case: DropoutCase, context: Context) -> None:
    """evaluate() measures the model in eval mode, and gives it back in the mode it had.

    ## Why it matters
    With dropout on, the loss that is measured is that of a model with holes in it, and another one each time. A model
    that comes back in eval mode trains on without its dropout, and nothing says so.

    ## Usual causes
    - evaluate() does not call `model.eval()`, or calls it too late.
    - The mode is looked up after it was changed, or not put back at all.
    """
    # The loss of a model with dropout beside that of one without; and the mode before and after.
    random = np.random.default_rng(context.seeds.derive("modes", case.weights))
    shape = (BATCHES, *case.token_array().shape)
    tensors = {name: random.integers(0, case.vocab_size, shape) for name in ("tokens", "targets")}
    tensors["labels"] = tensors["tokens"] % 2
    for training in (True, False):
        mode = "training" if training else "eval"
        answer, plain = (
            _evaluated(case, context, config, tensors, training=training)
            for config in (case.config, without_dropout(case))
        )
        if not close(answer["lm_loss"], plain["lm_loss"], "scalar loss, float64"):
            raise CheckFailed(
                "noisy",
                "evaluate() reports the loss of the model in eval mode",
                f"of a model in {mode} mode with dropout={case.dropout} it reports {float(answer['lm_loss'])!r}, and "
                f"of the same one without dropout {float(plain['lm_loss'])!r}",
            )
        if not same_bits(answer["after.mode"], answer["before.mode"]):
            raise CheckFailed(
                "mode-left",
                "evaluate() gives every module back in the mode it had",
                f"a model that was in {mode} mode is not any more",
            )


def _evaluated(case: DropoutCase, context: Context, config: Settings, tensors: Tensors, *, training: bool) -> Tensors:
    question = Evaluate(config=config, weights=case.seeded(context.seeds), training=training, seed=1, classify=False)
    return context.ask(question, tensors)


GENERATE_LEAVES = "generate leaves prompt, parameters, gradients, modes, settings and random generators as they were"


@st.composite
def prompts(draw: DrawFn) -> DecodeCase:
    """A prompt and how many tokens to add, as the two chunks of a case."""
    case = draw(model_cases(lengths=(2, 4), rows=(2, 3)).filter(lambda c: c.vocab_size > c.d_model))
    new = draw(st.integers(9, 16))
    return extended(case, DecodeCase, block_size=case.length + new, chunks=(case.length, new))


def _generate_leaves_no_trace_snippet(case: DecodeCase) -> str:
    """The same by hand, without the cache."""
    return model_snippet(
        case,
        f"""
model.train()
from torch.autograd.graph import saved_tensors_hooks

given, state, saved = tokens.clone(), torch.get_rng_state(), []
hooks = saved_tensors_hooks(lambda tensor: saved.append(1) or tensor, lambda tensor: tensor)
with torch.enable_grad(), hooks:
    text = model.generate(tokens, {case.chunks[1]}, use_cache=False)
print(text.shape)
assert text.shape[1] == tokens.shape[1] + {case.chunks[1]}, "not as many tokens as were asked for"
assert not saved, "generate builds a graph"
assert torch.equal(tokens, given), "generate has written into its prompt"
assert torch.equal(torch.get_rng_state(), state), "generate has moved torch's random generator"
assert all(module.training for module in model.modules()), "generate has changed the mode"
""",
    )


@check(
    cases=prompts(),
    snippet=_generate_leaves_no_trace_snippet,
    needs=MODEL_WORKS,
    examples=1,
    after="generate-is-greedy",
)
def generate_leaves_no_trace(case: DecodeCase, context: Context) -> None:
    """generate() adds as many tokens as it is asked for, and changes nothing else.

    ## Why it matters
    Texts are generated in the middle of training, to see how it goes. A model that comes back in another mode trains on
    in it; a graph that is never differentiated takes all the memory there is; a prompt that was written into is lost.

    ## Usual causes
    - `self.eval()` is called and never taken back, or taken back for the outermost module alone.
    - Gradients are not turned off.
    - New tokens are written into the prompt.
    - A generator is seeded, so that everything drawn afterwards is the same each time.
    """
    # Whatever generation does that a forward pass by itself does not.
    try:
        _generation_leaves_no_trace(case, context)
    except CheckFailed:
        if not forward_is_to_blame(case.config, case.seeded(context.seeds), _tokens(case, context), context):
            raise


def _generation_leaves_no_trace(case: DecodeCase, context: Context) -> None:
    """Without the cache, and with it where it is built; then a chunk read into a new cache."""
    _generates(case, context, use_cache=False)
    try:
        _generates(case, context, use_cache=True)
        tokens = _tokens(case, context)
        for modes in MODES:
            question = Watched(
                config=case.config, weights=case.seeded(context.seeds), call="forward-incremental", modes=modes
            )
            answer = context.ask(question, {"tokens": tokens})
            claim = GENERATE_LEAVES.replace("generate leaves prompt", "forward_incremental leaves tokens")
            _kept(claim, answer, tokens, f"forward_incremental in {modes} mode")
    except PackageRaised as raised:
        if not raised.unbuilt:
            raise


def _generates(case: DecodeCase, context: Context, *, use_cache: bool) -> None:
    prompt = _tokens(case, context)
    for modes, new in zip(MODES, (0, 1, case.chunks[1]), strict=True):
        answer = context.ask(_watched_generation(case, context, modes, new, use_cache=use_cache), {"tokens": prompt})
        words = f"generate(prompt, {new}, use_cache={use_cache})"
        if "refused" in answer:
            raise CheckFailed("refused", f"{words} fits into block_size={case.block_size}", "it is a ValueError")
        require_inputs_kept(GENERATE_LEAVES, "tokens", prompt, answer["tokens"])
        shape = (len(prompt), case.length + new)
        result = answer["result.0"]
        if result.shape != shape or not np.array_equal(result[:, : case.length], prompt):
            raise CheckFailed(
                "not-continued",
                f"{words} returns the prompt and {new} tokens more",
                f"for a prompt of shape {prompt.shape} it returns {result.dtype} of shape {tuple(result.shape)}",
            )
        _kept(GENERATE_LEAVES, answer, prompt, f"{words} of a model in {modes} mode")
        if answer["saved"]:
            raise CheckFailed(
                "graph", "generate builds no graph", f"{words} keeps {int(answer['saved'])} tensors to go backwards"
            )
    for more in (1, 2 + case.weights % (2 * case.block_size)):
        too_many = _watched_generation(case, context, "eval", case.chunks[1] + more, use_cache=use_cache)
        answer = context.ask(replace(too_many, count_calls=True), {"tokens": prompt})
        if answer.get("refused", 1):
            calls = (
                f"it calls {int(answer['refused'])} modules first" if "refused" in answer else "there is no ValueError"
            )
            raise CheckFailed(
                "late",
                "generate refuses what does not fit into the block before it computes anything",
                f"with use_cache={use_cache} and {more} token{'s' * (more > 1)} too many, {calls}",
            )


def _tokens(case: DecodeCase, context: Context) -> Array:
    """Not those that were drawn: the simplest of these are all alike, and hide what is written over them."""
    random = np.random.default_rng(context.seeds.derive("no trace", case.weights))
    return random.integers(1, case.vocab_size, case.token_array().shape)


def _watched_generation(case: DecodeCase, context: Context, modes: Modes, new: int, *, use_cache: bool) -> Watched:
    weights = case.seeded(context.seeds)
    return Watched(
        config=case.config, weights=weights, call="generate", modes=modes, max_new_tokens=new, use_cache=use_cache
    )


def _kept(claim: str, answer: Tensors, tokens: Array, where: str) -> None:
    require_inputs_kept(claim, "tokens", tokens, answer["tokens"])
    require_no_trace(claim, answer, where=where)


def _decoding_without_dropout_snippet(case: DropoutDecodeCase) -> str:
    """Twice the same question."""
    return model_snippet(
        case,
        """
first, second = (model.forward_incremental(tokens)[0] for _ in range(2))
print("in eval mode, two passes differ by", float((first - second).abs().max()))
assert torch.allclose(first, second), "a model in eval mode still drops"
""",
    )


@check(
    cases=dropout_decode_cases(),
    snippet=_decoding_without_dropout_snippet,
    needs=(*MODEL_WORKS, cached_equals_full, dropout_follows_the_mode),
    examples=3,
    after="chunks-keep-positions",
)
def decoding_without_dropout(case: DropoutDecodeCase | DropoutHeadCase, context: Context) -> None:
    """In eval mode, dropout does nothing to cached decoding either.

    ## Why it matters
    Text is generated by a model that is done training. Dropout that is still on there writes noise into the cache, and
    every later token reads it.

    ## Usual causes
    - The path for cached decoding calls a dropout of its own, and does not tell it the mode.
    """
    # Decoded in chunks, with dropout in the configuration and without.
    if closeness(_decoded(case, context, case.config), _decoded(case, context, without_dropout(case))) is None:
        raise CheckFailed(
            "never-off",
            "in eval mode a model with dropout decodes like one without",
            f"with dropout={case.dropout}, a model in eval mode gives other logits when it decodes in chunks",
        )


def _decoded(case: DropoutDecodeCase | DropoutHeadCase, context: Context, config: Settings) -> Array:
    parents = tuple(range(-1, len(case.chunks) - 1))
    question = Decode(config=config, weights=case.seeded(context.seeds), parents=parents)
    answer = context.ask(question, case.chunk_tensors())
    return joined([answer[f"logits.{i}"] for i in range(len(case.chunks))])


@check(
    cases=dropout_head_cases(),
    needs=(dropout_follows_the_mode, decoding_without_dropout, cached_heads_equal_full),
    examples=3,
    after="cached-heads-unchanged",
)
def heads_without_dropout(case: DropoutHeadCase, context: Context) -> None:
    """With several heads too, dropout does nothing in eval mode, to a forward pass and to cached decoding.

    ## Why it matters
    Attention with several heads is often a class of its own, with a dropout of its own. What is right for one head says
    nothing about it.

    ## Usual causes
    - One of the paths through the heads calls a functional dropout, and does not tell it the mode.
    """
    # The same with dropout in the configuration and without: one forward pass, then chunk by chunk.
    tokens = {"tokens.0": case.token_array()}
    logits, plain = (
        context.ask(Forward(config=config, weights=case.seeded(context.seeds)), tokens)["logits.0"]
        for config in (case.config, without_dropout(case))
    )
    if closeness(logits, plain) is None:
        raise CheckFailed(
            "never-off",
            "in eval mode a model with dropout gives the logits of one without",
            f"with n_head={case.n_head} and dropout={case.dropout}, the logits of a model in eval mode differ",
        )
    decoding_without_dropout(case, context)


EVALUATE_LEAVES = "evaluate leaves batches, parameters, gradients, modes, settings and random generators as they were"


def _evaluate_leaves_no_trace_snippet(case: ClassCase) -> str:
    """Two batches of unlike sizes, from a generator."""
    settings = ", ".join(f"{name}={value}" for name, value in case.headless.items())
    return f"""import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from model import GPT, GPTConfig
from train import Batch, evaluate

torch.manual_seed(0)
model = GPT(GPTConfig({settings}, dropout={DROPOUT})).train()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
model.blocks.eval()
modes = [module.training for module in model.modules()]
batches = []
for shape in ((4, {case.block_size}), (1, 1)):
    tokens = torch.randint({case.vocab_size}, shape)
    batches.append(Batch(tokens, (tokens + 1) % {case.vocab_size}, tokens % 2))
saved = []
with saved_tensors_hooks(lambda tensor: saved.append(1) or tensor, lambda tensor: tensor):
    loss = evaluate(model, (batch for batch in batches))["lm_loss"]
assert not saved, "evaluate builds a graph"
assert [module.training for module in model.modules()] == modes, "evaluate has changed the mode of a module"
with torch.no_grad():
    each = [F.cross_entropy(model.eval()(b.tokens).flatten(0, 1), b.targets.flatten()).item() for b in batches]
print(loss, each)
assert abs(loss - sum(each) / 2) < 1e-4, "evaluate does not report the mean over the batches"
"""


@check(
    cases=class_cases(),
    snippet=_evaluate_leaves_no_trace_snippet,
    needs=(forward_runs,),
    examples=1,
    after="evaluate-is-honest",
)
def evaluate_leaves_no_trace(case: ClassCase, context: Context) -> None:
    """evaluate() takes any batches once, means over them in eval mode, and changes nothing, not even when a batch
    fails.

    ## Why it matters
    Held-out batches come from generators, and the last one is smaller. A number that depends on who counts the batches,
    or a model that comes back in another mode, is found out long after the run.

    ## Usual causes
    - `model.eval()` is left out, or the mode of the outermost module alone is put back.
    - The mode is not put back when something raises: that takes a `finally`.
    - Batches are counted or listed before they are read.
    - Losses are weighted by the size of their batch.
    - Gradients are not turned off, or are turned on at the end for a caller who had them off.
    - Parameters are frozen for a while, and all are unfrozen afterwards.
    - What was measured once is looked up, whatever has become of the model.
    """
    # Whatever an evaluation does that a forward pass by itself does not.
    try:
        _evaluation_leaves_no_trace(case, context)
    except CheckFailed:
        if not forward_is_to_blame(case.headless, case.seeded(context.seeds), case.token_array(), context):
            raise


def _evaluation_leaves_no_trace(case: ClassCase, context: Context) -> None:
    """Without a head, and with it where it is built; in every mode, and with a batch that is too long."""
    for classify in (False, True):
        try:
            for modes in MODES:
                _reports(case, context, modes, classify=classify)
            _survives(case, context, classify=classify)
        except PackageRaised as raised:
            if not (classify and raised.unbuilt):
                raise


LARGEST: Final = 30.0  # weights: losses of a thousand and more


def _reports(case: ClassCase, context: Context, modes: Modes, *, classify: bool) -> None:
    batches = _batches(case, context, many=modes == "eval" and not classify)
    question = _watched_evaluation(case, context, modes, classify=classify)
    if modes == "mixed":
        question = replace(question, weights=case.seeded(context.seeds, scale=LARGEST))
    answer = context.ask(question, batches)
    where = f"evaluate, given a model in {modes} mode,"
    for name in ("tokens", "targets", "labels"):
        for i in range(len(batches) // 3):
            require_inputs_kept(EVALUATE_LEAVES, name, batches[f"{name}.{i}"], answer[f"{name}.{i}"])
    require_no_trace(EVALUATE_LEAVES, answer, where=where)
    for name, parts in (("lm_loss", "losses"), ("class_accuracy", "accuracies")):
        # A mean taken in float32 is as honest as one in float64: losses come in the model's precision, shares do not.
        mean = float(np.mean(answer[parts])) if name in answer else 0.0
        most = 1e-6 * max(1.0, abs(mean)) if modes == "mixed" else 1e-6  # there losses are large ones
        if name in answer and not abs(float(answer[name]) - mean) <= most:
            raise CheckFailed(
                "mean",
                f"{name} is the mean over the batches, each measured in eval mode",
                f"evaluate says {float(answer[name])!r} of a model in {modes} mode with dropout={DROPOUT}; of the "
                f"batches, which have unlike sizes, each by itself has {answer[parts].tolist()} in eval mode",
            )
    _require_anew(answer)
    if not answer["floats"]:
        raise CheckFailed("number", "evaluate reports floats", "one of its numbers is none")
    if answer["saved"]:
        raise CheckFailed(
            "graph", "evaluate builds no graph", f"it keeps {int(answer['saved'])} tensors to go backwards"
        )


def _require_anew(answer: Tensors) -> None:
    """Require that a model that has other weights by now has another loss."""
    said, right = float(answer["again"]), float(answer["again_losses"][0])
    if not abs(said - right) <= 1e-6 * max(1.0, abs(right)):
        raise CheckFailed(
            "remembered",
            "evaluate measures the model as it is when it is called",
            f"of a batch that it has seen before it says {said!r}, and the model has other parameters by now, with "
            f"which that is {right!r}",
        )


def _survives(case: ClassCase, context: Context, *, classify: bool) -> None:
    broken = _watched_evaluation(case, context, "mixed", classify=classify)
    answer = context.ask(replace(broken, breaks=True), _batches(case, context, too_long=True))
    require_no_trace(EVALUATE_LEAVES, answer, where="evaluate, when a batch is too long and raises,")
    for interrupted, words in (("error", "raises"), ("keyboard", "is interrupted")):
        answer = context.ask(replace(broken, interrupted=interrupted), _batches(case, context))
        require_no_trace(EVALUATE_LEAVES, answer, where=f"evaluate, when what its batches come from {words},")


def _watched_evaluation(case: ClassCase, context: Context, modes: Modes, *, classify: bool) -> WatchedEvaluation:
    config = (case.config if classify else case.headless) | {"dropout": DROPOUT}
    return WatchedEvaluation(config=config, weights=case.seeded(context.seeds), modes=modes, classify=classify)


TALL: Final = 33, 130  # rows
NUMEROUS: Final = 65, 100  # batches


def _batches(case: ClassCase, context: Context, *, too_long: bool = False, many: bool = False) -> dict[str, Array]:
    """Batches that differ in rows and length, three and one of many rows, or many more; or two, the second of them too
    long for the model."""
    random = np.random.default_rng(context.seeds.derive("unlike", case.data))
    rows, length = case.token_array().shape
    shapes = [(rows + 2, length), (rows, 1), (1, case.block_size), (int(random.integers(*TALL)), 1)]
    shapes += [(1, 1)] * (int(random.integers(*NUMEROUS)) - len(shapes)) if many else []
    batches: dict[str, Array] = {}
    for i, shape in enumerate([shapes[0], (rows, case.block_size + 1)] if too_long else shapes):
        batches[f"tokens.{i}"] = random.integers(0, case.vocab_size, shape)
        batches[f"targets.{i}"] = random.integers(0, case.vocab_size, shape)
        batches[f"labels.{i}"] = random.integers(0, case.n_classes, shape)
    return batches
