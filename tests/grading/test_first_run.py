"""What does not run is told once, with its place and in words; what runs, for some size at least, is asked as ever."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from types import MappingProxyType
from typing import cast

import pytest

from grader.exercise.model import Exercise
from grader.grading.first_run import CONFIGS, first_run
from grader.packages.package import Package
from grader.packages.trouble import PYTHON, PackageDoesNotRun
from grader.packages.worker_pool import WorkerPool
from grader.result.record import LoadFault
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Configs, TrainConfigs
from grader.submission.read import submission_of

TIMEOUT = 1.0  # seconds; only what hangs is to wait that long, or twice as long
Faults = dict[str, LoadFault]
Run = Callable[[Mapping[str, str]], Faults]


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def run(worker_pool: WorkerPool) -> Run:
    def run(files: Mapping[str, str]) -> Faults:
        return first_run(*(Package(worker_pool, "the candidate", files, TIMEOUT) for _ in range(2)))

    return run


def edited(exercise: Exercise, file: str, before: str, after: str) -> dict[str, str]:
    text = exercise.reference[file]
    assert before in text

    return exercise.reference | {file: text.replace(before, after, 1)}


def in_forward(exercise: Exercise, code: str) -> dict[str, str]:
    """The reference with these lines at the beginning of what makes the logits."""
    before = "        x = self.ln_f(x)\n        logits ="
    return edited(exercise, "model.py", before, textwrap.indent(code, "        ") + before)


IMPORT = "import torch\n"
IN_FORWARD = {
    "raises": ("raise RuntimeError('boom')\n", "RuntimeError: boom", "raise RuntimeError('boom')"),
    "breakpoint": ("breakpoint()\n\n", "breakpoint() waits for input, and there is none here", "breakpoint()"),
    "trace": ("import pdb; pdb.set_trace()\n", "breakpoint() waits for", "import pdb; pdb.set_trace()"),
    "input": ("n = input('n? ')\n", "input() waits for input, and there is none here", "n = input('n? ')"),
    "loop": ("while True: n = 1\n", "no answer within", "while True: n = 1"),
    "name": ("se.lf\n", "NameError: name 'se' is not defined", "se.lf"),
    "import": ("import einops\n", "imports einops, which is not available here: only the standard", "import einops"),
}


@pytest.mark.parametrize(("code", "reason", "source"), IN_FORWARD.values(), ids=IN_FORWARD)
def test_a_forward_that_never_runs_has_a_reason_and_a_place(
    code: str, reason: str, source: str, run: Run, exercise: Exercise
) -> None:
    files = in_forward(exercise, code)
    faults = run(files)

    assert list(faults) == ["model"]
    fault = faults["model"]
    assert reason in fault.reason
    assert fault.place is not None
    assert (fault.place.file, fault.place.function, fault.place.source.strip()) == ("model.py", "forward", source)
    assert files["model.py"].splitlines()[fault.place.line - 1] == fault.place.source
    assert fault.stack[-1] == fault.place


AT_IMPORT = {
    "syntax": ("model.py", IMPORT, "def broken(:\n", f"SyntaxError: invalid syntax ({PYTHON} grades here)", 12),
    "later-syntax": ("train.py", IMPORT, "type = 1\ndef f[T](): pass\n", f"expected '(' ({PYTHON} grades here)", 6),
    "indentation": ("model.py", IMPORT, "if 1:\nx = 1\n", "IndentationError: expected an indented block", 1),
    "raises": ("train.py", IMPORT, "raise ValueError('no')\n", "ValueError: no", 1),
    "absent": (
        "train.py",
        IMPORT,
        "from wandb import log\n",
        "train.py line 10 imports wandb, which is not available",
        1,
    ),
    "installed": (
        "train.py",
        IMPORT,
        "import matplotlib.pyplot as plt\n",
        "imports matplotlib.pyplot, which is not",
        1,
    ),
    "both": ("model.py", IMPORT, "import math, einops\n", "imports einops, which is not available here", 1),
    "beside": ("model.py", IMPORT, "from .parts import f\n", "imports .parts, and there is no parts.py", 1),
    "from-math": ("model.py", IMPORT, "from math import nothing\n", "ImportError: cannot import name 'nothing'", 1),
}


@pytest.mark.parametrize(("file", "before", "after", "reason", "column"), AT_IMPORT.values(), ids=AT_IMPORT)
def test_what_cannot_be_imported_has_a_reason_and_a_place(
    file: str, before: str, after: str, reason: str, column: int, run: Run, exercise: Exercise
) -> None:
    files = edited(exercise, file, before, after + before)
    [fault] = run(files).values()

    assert (fault.file, fault.place and fault.place.file) == (file, file)
    assert reason in fault.reason
    assert fault.place is not None
    assert fault.place.column == column
    assert fault.place.source in after.splitlines()


def test_a_fault_in_a_file_beside_is_told_where_it_is_and_how_it_was_come_to(run: Run, exercise: Exercise) -> None:
    files = edited(exercise, "model.py", IMPORT, "from parts import f\n" + IMPORT) | {"parts.py": "\n\nf = 1 / 0\n"}
    [fault] = run(files).values()

    assert (fault.file, [(place.file, place.source) for place in fault.stack]) == (
        "model.py", [("model.py", "from parts import f"), ("parts.py", "f = 1 / 0")],
    )  # fmt: skip


def test_a_stack_says_how_a_loop_was_come_to(run: Run, exercise: Exercise) -> None:
    files = in_forward(exercise, "spin()\n")
    files["model.py"] += "\n\ndef spin():\n    while True:\n        pass\n"
    [fault] = run(files).values()

    assert [place.function for place in fault.stack] == ["forward", "spin"]
    assert fault.stack[0].source.strip() == "spin()"


@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        pytest.param({"model.py": ""}, {"model": "model.py has no class GPT"}, id="empty-model"),
        pytest.param({"train.py": ""}, {"train": "train.py has no class Batch"}, id="empty-train"),
        pytest.param({"model.py": "class GPT: pass"}, {"model": "model.py has no class GPTConfig"}, id="half-a-model"),
    ],
)
def test_a_class_that_is_missing_is_told_in_words(
    files: dict[str, str], reasons: dict[str, str], run: Run, exercise: Exercise
) -> None:
    faults = run(exercise.reference | files)

    assert {module: fault.reason for module, fault in faults.items()} == reasons


def test_a_required_file_that_was_not_read_says_why_and_has_no_line(run: Run, exercise: Exercise) -> None:
    submission = submission_of("ann", {"model.py": exercise.reference["model.py"]})

    assert run(submission.files) == {"train": LoadFault(file="train.py", reason="there is no train.py")}


def test_a_process_that_ends_is_told(run: Run, exercise: Exercise) -> None:
    files = edited(exercise, "train.py", IMPORT, "import os\nos._exit(3)\n")

    assert run(files)["train"].reason == "its process exited with code 3, when it was imported"


def test_what_does_not_run_is_asked_no_more_and_the_rest_is(worker_pool: WorkerPool, exercise: Exercise) -> None:
    files = edited(exercise, "model.py", IMPORT, "def broken(:\n")
    first, second = (Package(worker_pool, "the candidate", files, TIMEOUT) for _ in range(2))
    first_run(first, second)

    for package in (first, second, first.another()):
        with pytest.raises(PackageDoesNotRun, match=r"cannot be judged before model\.py runs"):
            package.ask(Configs(), {})
        assert package.ask(TrainConfigs(), {})
    assert first.scope.tokens == 0


# What is right stays right, and what is wrong for some sizes is judged size by size


@pytest.mark.parametrize("which", ["reference", "starter"])
def test_what_runs_has_no_fault(which: str, run: Run, exercise: Exercise) -> None:
    assert run(exercise.reference if which == "reference" else exercise.starter()) == {}


@pytest.mark.parametrize("size", [config["vocab_size"] for config in CONFIGS])
def test_a_model_that_runs_for_one_size_alone_runs(size: int, run: Run, exercise: Exercise) -> None:
    assert run(in_forward(exercise, f"assert self.config.vocab_size == {size}\n")) == {}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("return None\n", id="returns-nothing"),
        pytest.param("return x * float('nan')\n", id="returns-nan"),
        pytest.param("import math, random\n", id="imports-inside"),
    ],
)
def test_a_wrong_answer_is_an_answer(code: str, run: Run, exercise: Exercise) -> None:
    assert run(in_forward(exercise, code)) == {}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("try:\n    import wandb\nexcept ImportError:\n    wandb = None\n", id="an-import-that-may-fail"),
        pytest.param("print('x' * 100_000)\n", id="prints"),
        pytest.param("def unused():\n    import einops\n", id="imports-where-nobody-comes"),
        pytest.param("from __future__ import annotations\n", id="future"),
    ],
)
def test_what_does_no_harm_at_import_is_none(code: str, run: Run, exercise: Exercise) -> None:
    files = {name: f"{code}{text}" if name == "train.py" else text for name, text in exercise.reference.items()}
    if "__future__" not in code:
        files["model.py"] = code + files["model.py"]

    assert run(files) == {}


def test_a_candidate_cannot_name_lines_that_are_not_there(worker_pool: WorkerPool, exercise: Exercise) -> None:
    forged = """
    exec(compile("\\n" * 5000 + "1 / 0", "model.py", "exec"))
    """
    files = in_forward(exercise, textwrap.dedent(forged).strip() + "\n")
    oracles = [Package(worker_pool, "the candidate", files, TIMEOUT) for _ in range(2)]
    fault = first_run(*oracles)["model"]

    assert all(place.line <= len(files["model.py"].splitlines()) for place in fault.stack)


def test_a_module_that_keeps_silent_is_said_to_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    heard = Event()

    def tell(text: str) -> None:
        told.append(text)
        heard.set()

    class Silent:
        """In place of a package: answers as soon as it was said that it does not."""

        files = MappingProxyType({"model.py": "", "train.py": ""})

        def limit(self, question: object) -> float:
            return 20.0

        def ask(self, *_: object) -> dict[str, object]:
            assert heard.wait(60)
            heard.clear()
            return {}

    monkeypatch.setattr("grader.grading.first_run.SILENCE_SECONDS", 0.0)
    silent = cast(Package, Silent())

    assert first_run(silent, silent, tell=tell) == {}
    assert told == [
        f"{file} does not answer; waiting up to 40 s of its own time" for file in ("model.py", "train.py", "model.py")
    ]
