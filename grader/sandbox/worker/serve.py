"""The worker's loop: read a question, answer it, whatever happens in between and however much is printed."""

import contextlib
import io
import os
import secrets
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from grader.sandbox import questions as q
from grader.sandbox.wire import PREFIX, Array, Tensors, WireError, pack, unpack_header, unpack_prefix, unpack_tensors
from grader.sandbox.worker import model_answers, training_answers, weighting_answers
from grader.sandbox.worker.contract import ContractError
from grader.sandbox.worker.loading import SourcePackage, message_of, own_frames, places, sendable
from grader.sandbox.worker.seeding import seed_all
from grader.sandbox.worker.watching import settle

Answer = dict[str, Array]
Handler = Callable[[Any, Any, Tensors], Answer]

MODEL: Final[Mapping[type, Handler]] = {
    q.Parameters: model_answers.parameters,
    q.Sharing: model_answers.sharing,
    q.Forward: model_answers.forward,
    q.Influence: model_answers.influence,
    q.Gradients: model_answers.gradients,
    q.Derivatives: model_answers.derivatives,
    q.Decode: model_answers.decode,
    q.Generate: model_answers.generate,
    q.Flops: model_answers.flops,
    q.Classify: model_answers.classify,
}
TRAIN: Final[Mapping[type, Handler]] = {
    q.TrainSteps: training_answers.train_steps,
    q.RecordSteps: training_answers.record_steps,
    q.Rates: training_answers.rates,
}
BOTH: Final[Mapping[type, Handler]] = {
    q.Watched: model_answers.watched,
    q.WatchedTraining: training_answers.watched_training,
    q.Loss: training_answers.loss,
    q.Evaluate: training_answers.evaluate,
    q.WatchedEvaluation: training_answers.watched_evaluation,
    q.Fit: training_answers.fit,
    q.OwnRun: training_answers.own_run,
    q.TwinRun: training_answers.twin_run,
}
# What is asked by the names of the contract alone: no adapter.py stands between the question and these.
MODEL_OF_CONTRACT: Final[Mapping[type, Handler]] = {
    q.Configs: model_answers.configs,
}
TRAIN_OF_CONTRACT: Final[Mapping[type, Handler]] = {
    q.TrainConfigs: training_answers.train_configs,
    q.MakeBatch: training_answers.make_batch,
    q.SeededDraws: training_answers.seeded_draws,
    q.ClassWeights: weighting_answers.class_weights,
    q.Uncertainty: weighting_answers.uncertainty,
}
BOTH_OF_CONTRACT: Final[Mapping[type, Handler]] = {
    q.OneHead: model_answers.one_head,
    q.GradientNorms: weighting_answers.gradient_norms,
    q.FitWeighted: weighting_answers.fit_weighted,
    q.JointLosses: weighting_answers.joint_losses,
    q.PairedRuns: weighting_answers.paired_runs,
}
OF_CONTRACT: Final = (*MODEL_OF_CONTRACT, *TRAIN_OF_CONTRACT, *BOTH_OF_CONTRACT)

MAX_TRACEBACK: Final = 6000
SNIPPET: Final = "snippet.py"


def serve(descriptor: int) -> NoReturn:
    """Answer questions from ``descriptor`` until the other end closes it. Never returns."""
    # A candidate whose answers are random must not look steady because all workers are forks of one state.
    seed_all(secrets.randbits(32))
    package = SourcePackage({})
    while True:
        nonce, body, tensors = _read(descriptor)
        answer: Answer = {}
        question = q.question_decoder.decode(body)
        reply: q.Reply = q.Answered()
        if isinstance(question, q.Load):
            package = SourcePackage(question.files, question.adapter)
            package.install()
        else:
            try:
                settle()
                answer = answer_of(package, question, tensors)
            except ContractError as error:
                reply = q.Malformed(message=message_of(error))
            # SystemExit and KeyboardInterrupt are answers of the candidate's like any other.
            except BaseException as error:
                reply = _raised(package, error)
        _write(descriptor, _pack(nonce, reply, answer))
        if isinstance(question, q.Load):
            _import_ahead(package, question.ahead)


def _pack(nonce: str, reply: q.Reply, answer: Answer) -> bytes:
    try:
        return pack(nonce, reply, answer if isinstance(reply, q.Answered) else {})
    except WireError as error:
        return pack(nonce, q.Malformed(message=f"the answer cannot be sent: {error}"), {})


def _import_ahead(package: SourcePackage, names: Sequence[str]) -> None:
    """Import what will be asked for while the grader is still busy elsewhere."""
    for name in names:
        with contextlib.suppress(BaseException):
            package.module(name)


def answer_of(package: SourcePackage, question: q.AnyQuestion, tensors: Tensors) -> Answer:
    """What a package says to a question. Raises what its code raises, and ``ContractError`` where it says nothing."""
    kind = type(question)
    if handler := MODEL.get(kind):
        package.module("model")
        return handler(package.adapter, question, tensors)
    if handler := TRAIN.get(kind):
        package.module("train")
        return handler(package.adapter, question, tensors)
    if handler := BOTH.get(kind):
        return handler(package, question, tensors)
    if kind in OF_CONTRACT and package.has_adapter:
        raise ContractError(f"this is asked of a model that keeps the contract ({kind.__name__})")
    if handler := MODEL_OF_CONTRACT.get(kind):
        return handler(package.module("model"), question, tensors)
    if handler := TRAIN_OF_CONTRACT.get(kind):
        return handler(package.module("train"), question, tensors)
    if handler := BOTH_OF_CONTRACT.get(kind):
        return handler(package, question, tensors)
    if isinstance(question, q.Offers):
        return model_answers.offers(package.adapter, question)
    # Imported before the lock where they are to be asked: no other worker can.
    if isinstance(question, q.RunTests):
        from grader.sandbox.worker.own_tests import run_tests

        return run_tests(package, question)
    if isinstance(question, q.FindMutants):
        from grader.sandbox.worker.mutants import find_mutants

        return find_mutants(question)
    if isinstance(question, q.Reword):
        from grader.sandbox.worker.mutants import reword

        return reword(question, tensors)
    if isinstance(question, q.Import):
        module = package.module(question.module)
        for name in question.names:
            getattr(module, name)
        return {}
    assert isinstance(question, q.Snippet)
    exec(compile(question.source, SNIPPET, "exec"), {"__name__": "__main__"})
    return {}


def _raised(package: SourcePackage, error: BaseException) -> q.Raised:
    frames = own_frames(package, error.__traceback__, SNIPPET)
    message = message_of(error)
    last_line = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if type(error) in (SyntaxError, IndentationError):  # show the line that it is about
        last_line = "".join(traceback.format_exception_only(error))
    return q.Raised(
        type=type(error).__name__,
        bases=tuple(base.__name__ for base in type(error).__mro__),
        message=message,
        by_raise=bool(frames) and (frames[-1].line or "").lstrip().startswith("raise"),
        traceback=sendable("".join(traceback.format_list(frames))[-MAX_TRACEBACK:] + last_line),
        frames=places(package, error),
    )


def _read(descriptor: int) -> tuple[str, bytes, Tensors]:
    header_length, payload_length = unpack_prefix(_read_exactly(descriptor, PREFIX.size))
    header = unpack_header(_read_exactly(descriptor, header_length))
    return header.nonce, bytes(header.body), unpack_tensors(header.tensors, _read_exactly(descriptor, payload_length))


def _read_exactly(descriptor: int, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = os.read(descriptor, length - len(chunks))
        if not chunk:
            os._exit(0)  # the grader is done with us; skipping the interpreter's teardown saves half a second
        chunks += chunk
    return bytes(chunks)


def _write(descriptor: int, frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(descriptor, view) :]


CAP: Final = 64 * 1024
TRUNCATED: Final = "\n[output cut here]\n"


class CappedText(io.TextIOBase):
    """A text stream over a descriptor that stops writing after ``CAP`` characters, without an error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._left = CAP

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str, /) -> int:
        if self._left > 0:
            kept = text[: self._left]
            self._left -= len(kept)
            os.write(self._descriptor, kept.encode("utf-8", "replace"))
            if self._left <= 0:
                os.write(self._descriptor, TRUNCATED.encode())
        return len(text)


def capture(descriptor: int) -> None:
    """Send ``sys.stdout`` and ``sys.stderr`` of this process to ``descriptor``."""
    sys.stdout = sys.stderr = CappedText(descriptor)
