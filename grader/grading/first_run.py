"""Whether a submission runs at all: asked once, before anything else.

What does not run is no wrong answer to anything. It is reported by itself, with its place; what needs it waits and is
not asked, so that one typing error is neither a list of failures nor a long wait.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from types import MappingProxyType
from typing import Final

import numpy as np
from msgspec.structs import replace

from grader.files.printable import one_line
from grader.limits import SILENCE_SECONDS
from grader.packages.package import Package
from grader.packages.trouble import PackageHung, PackageMisanswered, PackageRaised, Trouble
from grader.result.record import LoadFault
from grader.sandbox.questions import AnyQuestion, Forward, Import, Settings, Weights
from grader.sandbox.wire import Tensors
from grader.submission.read import is_made_up

MAX_REASON: Final = 500  # characters
TRIES: Final = 2  # at a question that gets no answer in time
MODEL: Final = Import(module="model", names=("GPT", "GPTConfig"))
TRAIN: Final = Import(module="train", names=("Batch", "TrainConfig"))
# As wide as the vocabulary first: that runs where one of the two stands for the other, as it may in a starter.
CONFIGS: Final[tuple[Settings, ...]] = tuple(
    {"vocab_size": vocabulary, "block_size": 4, "n_layer": 1, "d_model": 8} for vocabulary in (8, 5, 11)
)


def first_run(
    model: Package, train: Package, *, has_adapter: bool = False, tell: Callable[[str], None] = lambda _: None
) -> dict[str, LoadFault]:
    """What keeps model.py and train.py from running, by module; nothing of it is asked any more.

    Args:
        model, train: the same package, in two workers at once.
        has_adapter: whether an adapter.py knows the names in them, and there need be no train.py.
        tell: is given that one of them does not answer, and how long it may take, while that lasts.
    """
    asked = [(model, MODEL), (train, TRAIN)]
    if has_adapter:
        asked = [(each, replace(question, names=())) for each, question in asked]
        asked = [(each, question) for each, question in asked if f"{question.module}.py" in each.files]
    # One after the other: what is late is asked once more, alone, and waits until no other worker is busy.
    troubles = {}
    for each, question in asked:
        with _patiently(question.module, each.limit(question), tell):
            troubles[question.module] = _trouble_of(each, question)
    when = "when it was imported"
    if troubles["model"] is None:
        with _patiently("model", model.limit(_forward(CONFIGS[0])), tell):
            troubles["model"], when = _trouble_of_forward(model), "when a model was made and called"
    faults = {}
    for module, trouble in troubles.items():
        if trouble is not None:
            faults[module] = _fault(module, trouble, when if module == "model" else "when it was imported", model)
            model.ask_no_more(module)
    return faults


def _trouble_of(asked: Package, question: AnyQuestion, tensors: Tensors = MappingProxyType({})) -> Trouble | None:
    try:
        asked.ask(question, tensors)
    except PackageMisanswered:
        return None  # it ran: what it answered is for the checks
    except Trouble as trouble:
        return trouble
    return None


def _trouble_of_forward(model: Package) -> Trouble | None:
    """The first of those that there are for every size: what runs for one is judged, size by size."""
    first: Trouble | None = None
    for config in CONFIGS:
        trouble = _trouble_of(model, _forward(config), {"tokens.0": np.array([[1, 0, 4]])})
        if trouble is None:
            return None
        first = first or trouble
        if isinstance(trouble, PackageHung):
            break  # the next would only cost another deadline
    return first


def _forward(config: Settings) -> Forward:
    return Forward(config=config, weights=Weights(seed=0, scale=0.1), precision="float32")


@contextmanager
def _patiently(module: str, seconds: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Meanwhile a module is asked: if it is silent for a while, say so, and how long it may be.

    What gets no answer within its time is asked once more, alone.
    """
    waits = f"{module}.py does not answer; waiting up to {TRIES * seconds:g} s of its own time"
    timer = Timer(SILENCE_SECONDS, tell, [waits])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _fault(module: str, trouble: Trouble, when: str, package: Package) -> LoadFault:
    file = f"{module}.py"
    if not isinstance(trouble, PackageRaised):
        reason, stack = f"{trouble}, {when}", trouble.stack
    elif is_made_up(package.files[file], trouble.raised.message):
        return LoadFault(file=file, reason=one_line(trouble.raised.message)[:MAX_REASON])
    else:
        reason, stack = trouble.words, trouble.stack
    return LoadFault(file=file, reason=one_line(reason)[:MAX_REASON], place=stack[-1] if stack else None, stack=stack)
