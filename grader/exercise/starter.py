"""What a learner, or an agent, is handed of an exercise: the code, a README, and the visible tests."""

from collections.abc import Collection, Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from grader.errors import UsageError
from grader.exercise.model import VISIBLE_TESTS, Exercise, Item, Rubric, StoredExercise
from grader.files.read_untrusted import Directory, Refused
from grader.limits import STARTER_FILE_MAX_BYTES
from grader.sandbox.preloaded import LIBRARY, imports_of
from grader.sandbox.questions import ADAPTER

BESIDE_THE_CODE: Final = ("README.md", VISIBLE_TESTS)
ABOUT: Final = {  # families of checks, as a learner would say it
    "kv-cache": "decoding with a cache",
    "ragged": "rows of different lengths",
    "position-schemes": "other schemes of positions",
    "classifier": "a classifier",
    "loss-weighting": "the weighing of two losses",
    "learning-rate": "the learning rate by itself",
    "training-loop": "the training loop",
    "loss": "the loss",
    "optimizer": "the optimizer",
    "clipping": "the clipping of gradients",
    "heads": "several heads",
    "determinism": "seeds",
    "modes": "training and evaluation mode",
}
FOLLOWUPS: Final = "followups.py"  # where the built-in reference has code for follow-ups
WHERE: Final = ": three in `model.py`, one in `train.py`"  # the bugs of the built-in exercise
NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")


def starter_files(exercise: Exercise) -> dict[str, str]:
    """README.md, model.py, train.py and test_visible.py of the starter: text by name, and nothing that is hidden.

    Raises:
        UsageError: one of them is missing, or is no text.
    """
    if not isinstance(exercise, StoredExercise):
        return starter_contents(exercise)
    # By name, and no links: whatever else came to lie in the folder, or was led there, is not to get out.
    names = sorted({*exercise.starter(), *BESIDE_THE_CODE})
    try:
        with Directory(exercise.starter_directory) as opened:
            return {name: _text(exercise, opened, name) for name in names}
    except OSError as error:
        raise UsageError(f"cannot read {str(exercise.starter_directory)!r}: {error.strerror}") from None


def _text(exercise: StoredExercise, opened: Directory, name: str) -> str:
    where = f"bad starter {str(exercise.starter_directory)!r}: {name}"
    try:
        data = opened.read(name, STARTER_FILE_MAX_BYTES + 1)
        if len(data) > STARTER_FILE_MAX_BYTES:
            raise UsageError(f"{where} is larger than {STARTER_FILE_MAX_BYTES >> 20} MiB")
        return data.decode()
    except FileNotFoundError:
        raise UsageError(f"{where} is missing") from None
    except Refused as reason:
        raise UsageError(f"{where} cannot be handed out: {reason}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is not UTF-8 text (byte {error.start})") from None


def starter_contents(exercise: Exercise) -> dict[str, str]:
    """Every file that the learner of a generated exercise is handed, by name."""
    return {**exercise.starter(), "README.md": _readme(exercise), VISIBLE_TESTS: exercise.visible_tests}


def agents_files(exercise: Exercise) -> dict[str, str]:
    """What ``starter_files`` has, for an agent: its README names no command of the grader, and no follow-up question.

    A README that is not as the grader wrote it stays as it is.

    Raises:
        UsageError: as ``starter_files``.
    """
    files = starter_files(exercise)
    # The built-in exercise's says where its bugs are, and its commands need no path.
    known = {_readme(exercise): ""}
    if exercise.adapter is None:
        known[readme(exercise.rubric, WHERE, files=exercise.reference, built_in=True)] = WHERE
    where = known.get(files["README.md"])
    return files if where is None else {**files, "README.md": _readme(exercise, where, agent=True)}


def _readme(exercise: Exercise, where: str = "", *, agent: bool = False) -> str:
    if exercise.adapter is None:
        return readme(exercise.rubric, where, files=exercise.reference, agent=agent)
    files = [file for file in exercise.starter() if file != ADAPTER]
    library = LIBRARY if imports_of(exercise.adapter) else ""
    return adapted_readme(exercise.rubric, files, library, agent=agent)


def readme(
    rubric: Rubric, where: str = "", *, files: Collection[str] = (), built_in: bool = False, agent: bool = False
) -> str:
    """The task as an interviewer would state it.

    Args:
        where: what is said of where the bugs are, to follow their number.
        files: of the starter, by name.
        built_in: whether the commands find this exercise without a path.
        agent: whether the reader has no command ``grader``, and is graded by the items alone.
    """
    bugs = [item for item in rubric.item if item.kind == "bug"]
    extensions = [item for item in rubric.item if item.kind == "extension"]
    return _template("README.md.jinja").render(
        bugs=_number_of(bugs),
        where=where,
        built_in=built_in,
        agent=agent,
        extensions=bool(extensions),
        followups=rubric.followup,
        apart=FOLLOWUPS in files,
        total=f"{sum(item.points for item in rubric.item):g}",
        several=len(bugs) > 1,
        exact=_exact(bugs),
        grade=_grade([item.points for item in bugs], [item.points for item in extensions]),
    )


def adapted_readme(rubric: Rubric, files: Sequence[str], library: str = "", *, agent: bool = False) -> str:
    """The task with a GPT that keeps no contract.

    Args:
        files: of the starter that bugs may be in, by name.
        library: that its model imports, if there is one.
        agent: whether the reader has no command ``grader``.
    """
    bugs = [item for item in rubric.item if item.kind == "bug"]
    return _template("README.adapted.md.jinja").render(
        files=_listed([f"`{file}`" for file in files]),
        library=library,
        agent=agent,
        bugs=_number_of(bugs),
        several=len(bugs) > 1,
        exact=_exact(bugs),
        unasked=_listed([ABOUT.get(family, family) for family in rubric.unasked or ()]),
        grade=_grade([item.points for item in bugs], []),
    )


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("grader.exercise", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, made of trusted text alone
    )
    return environment.get_template(name)


def _number_of(bugs: Sequence[Item]) -> str:
    return f"{NUMBERS[len(bugs)]} bug{'s' if len(bugs) > 1 else ''}"


def _listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _exact(bugs: Sequence[Item]) -> str:
    """What of a bug's points is for identical bits: ``Of the 15 points of each bug, 3``."""
    kinds = list(dict.fromkeys((item.points, item.exact) for item in bugs))
    if len(kinds) > 1:
        return f"Of a bug's points, {' or '.join(f'{exact:g} of {points:g}' for points, exact in kinds)}"
    [(points, exact)] = kinds
    return f"Of the {points:g} points of {'each bug' if len(bugs) > 1 else 'the bug'}, {exact:g}"


def _grade(bugs: list[float], extensions: list[float]) -> list[tuple[str, str]]:
    """The lines of the table of points."""
    lines = []
    for what, points in (("bug", bugs), ("extension", extensions)):
        if len(points) == 1:
            lines.append((f"the {what}", f"{points[0]:g}"))
        elif len(set(points)) == 1:
            lines.append((f"each of the {NUMBERS[len(points)]} {what}s", f"{points[0]:g}"))
        elif points:
            lines.append((f"each of the {NUMBERS[len(points)]} {what}s", f"{min(points):g} or {max(points):g}"))
    return [*lines, ("together", f"{sum(bugs + extensions):g}")]


VISIBLE_TESTS_OF_ADAPTED: Final = '''\
"""The visible tests: a first look at whether things work. Run them here with `python -m pytest test_visible.py`."""

from importlib.util import find_spec
from types import SimpleNamespace

import adapter
import model
import pytest
import torch
from torch.nn import functional as F

train = __import__("train") if find_spec("train") else model
torch.set_num_threads(1)  # the model is small: two threads would spend their time waiting for each other

SIZES = dict(vocab_size=12, block_size=16, n_layer=2, n_head=2, d_model=32, dropout=0.0, n_classes=0)
SETTINGS = dict(
    vocab_size=12, seq_len=10, batch_size=16, steps=60, lr=3e-3, weight_decay=0.1, grad_clip=1.0, warmup=5,
    class_weight=0.0, seed=0,
)  # fmt: skip


def make_model():
    torch.manual_seed(0)
    return adapter.build(model, SimpleNamespace(**SIZES))


def scores(net, tokens):
    with torch.no_grad():
        return adapter.logits(net.eval(), tokens)


def make_batch():
    """Rows that count up, each from a start and by a stride of its own."""
    start, stride = torch.randint(12, (16, 1)), torch.randint(1, 5, (16, 1))
    sequence = (start + stride * torch.arange(11)) % 12
    tokens, targets = sequence[:, :-1].contiguous(), sequence[:, 1:].contiguous()
    return SimpleNamespace(tokens=tokens, targets=targets, labels=tokens % 2)


def fit(net, batches):
    """Train by `run` of adapter.py, or step by step."""
    settings = SimpleNamespace(**SETTINGS)
    if hasattr(adapter, "run"):
        adapter.run(train, net, batches, settings)
        return
    optimizer = adapter.optimizer(train, net, settings)
    for number, batch in enumerate(batches):
        adapter.step(train, net, optimizer, batch, settings, number)


def loss_of(net, batch):
    return F.cross_entropy(scores(net, batch.tokens).flatten(0, 1), batch.targets.flatten()).item()


def test_a_forward_pass_gives_finite_scores_for_every_position():
    logits = scores(make_model(), torch.randint(12, (3, 7)))

    assert logits.shape == (3, 7, 12)
    assert logits.isfinite().all()


def test_a_later_token_changes_no_score_before_it():
    net, tokens = make_model(), torch.randint(12, (2, 8))
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 12

    assert torch.allclose(scores(net, tokens)[:, :5], scores(net, changed)[:, :5], atol=1e-5)


@pytest.mark.skipif(not any(hasattr(adapter, name) for name in ("run", "step")), reason="adapter.py trains nothing")
def test_the_loss_falls_in_training():
    net = make_model()
    batches = [make_batch() for _ in range(SETTINGS["steps"])]
    before = loss_of(net, batches[0])
    fit(net.train(), batches)

    assert loss_of(net, batches[0]) < 0.9 * before
'''
