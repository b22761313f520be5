"""How far the questions went that a verdict rests on: the largest sizes that a package was asked about.

Read off the questions themselves. Nothing is right beyond what was asked, and a verdict says how far that is.
"""

from collections.abc import Iterator
from typing import Any

from grader.result.record import Mode, Scope
from grader.sandbox.questions import (
    AnyQuestion,
    ClassWeights,
    Decode,
    Evaluate,
    Fit,
    Flops,
    Forward,
    Generate,
    ModelQuestion,
    Rates,
    Watched,
    WatchedEvaluation,
)
from grader.sandbox.wire import Tensors
from grader.sizes import MODEL, RUN


def scope_of(question: AnyQuestion, tensors: Tensors) -> Scope:
    """How far one question goes, whatever it asks."""
    if isinstance(question, Rates | ClassWeights):  # a schedule, which has no sizes
        return Scope()
    return _of_model(question) | _of_run(question, tensors) | _of_texts(question, tensors)


def _of_model(question: AnyQuestion) -> Scope:
    """The sizes of the model, and the modes it is in."""
    config: dict[str, Any] | None = getattr(question, "config", None)
    if config is None:
        return Scope(width=getattr(question, "width", 0))
    modes: set[Mode] = {Mode.EVAL} if isinstance(question, Evaluate) else set()
    if isinstance(question, ModelQuestion):
        modes |= _modes(question)
    return Scope(
        layers=int(config.get("n_layer", MODEL.layers)),
        width=int(config.get("d_model", MODEL.width)),
        vocabulary=int(config.get("vocab_size", MODEL.words)),
        modes=tuple(sorted(modes)),
    )


def _modes(question: ModelQuestion) -> set[Mode]:
    """The modes in which a model is asked."""
    if isinstance(question, Forward):
        return {Mode.TRAINING if training else Mode.EVAL for training in question.modes or (question.training,)}
    if isinstance(question, Watched | WatchedEvaluation):
        return {Mode.EVAL if question.modes == "eval" else Mode.TRAINING}
    return {Mode.TRAINING if getattr(question, "training", False) else Mode.EVAL}


def _of_run(question: AnyQuestion, tensors: Tensors) -> Scope:
    """The sizes of the run, on batches that are given or on its own."""
    train: dict[str, Any] | None = getattr(question, "train", None)
    batches = tensors.get("tokens")
    if isinstance(question, Fit):
        return Scope(steps=len(tensors["tokens"]), modes=(Mode.TRAINING,))
    if train is None:
        return Scope()
    sizes = Scope(vocabulary=int(train.get("vocab_size", RUN.words)))
    if batches is not None:
        return sizes | Scope(steps=len(batches), modes=(Mode.TRAINING,))
    sizes |= Scope(tokens=int(train.get("seq_len", RUN.tokens)), rows=int(train.get("batch_size", RUN.rows)))
    if not hasattr(question, "config"):
        return sizes  # a batch, and no model
    return sizes | Scope(steps=int(train.get("steps", RUN.steps)), modes=(Mode.TRAINING,))


def _of_texts(question: AnyQuestion, tensors: Tensors) -> Scope:
    """The texts that are given: how long they get, and how many there are at once."""
    found = Scope()
    for rows, tokens in _texts(question, tensors):
        found |= Scope(rows=rows, tokens=tokens)
    return found


def _texts(question: AnyQuestion, tensors: Tensors) -> Iterator[tuple[int, int]]:
    """(B, T) of each."""
    for name, array in tensors.items():
        if name == "tokens" or name.startswith("tokens."):
            yield array.shape[-2], array.shape[-1]
    if isinstance(question, Generate):
        rows, tokens = tensors["prompt"].shape
        yield rows, tokens + question.max_new_tokens
    if isinstance(question, Flops):
        yield 1, max(question.lengths) + 1
    if isinstance(question, Decode):
        ends: list[int] = []
        for step, parent in enumerate(question.parents):
            rows, tokens = tensors[f"chunk.{step}"].shape
            given = tensors.get(f"given.{-2 - parent}.k.0")
            past = ends[parent] if parent >= 0 else given.shape[2] if given is not None and given.ndim == 4 else 0
            ends.append(past + tokens)
            yield rows, ends[-1]
