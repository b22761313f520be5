"""However a candidate breaks, it gets a verdict that says how, in bounded time, and loses nothing else by it."""

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grader.exercise.model import Exercise
from grader.result.record import CheckResult, ItemResult, Outcome, Result, Status, harmless
from grader.sandbox.client import Launcher
from grader.sandbox.connection import Worker
from grader.sandbox.errors import WorkerTimedOut

pytestmark = pytest.mark.slow

Grade = Callable[..., Result]

TIMEOUT = 1.0  # seconds for one question
BOUND = 12  # answers that are waited for in vain in a grade; there are five where all of a model hangs
ALL = ("masking", "position", "projection", "training-step", "kv-cache", "classifier")


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A model.py that goes wrong, and what the grade must say of it.

    Attributes:
        before, after: put around the reference's model.py, unless ``instead`` replaces it.
        item, check: where it must show, with which outcome and message.
    """

    before: str = ""
    after: str = ""
    instead: str | None = None
    item: str = "masking"
    check: str = "future-is-hidden"
    outcome: Outcome = Outcome.BROKEN
    message: str

    @property
    def runs_never(self) -> bool:
        """Whether it raises, dies or hangs whatever it is asked; the others answer, and wrongly."""
        return self.outcome is not Outcome.FAILED and "expected" not in self.message and self.message not in ANSWERED

    def model(self, reference: str) -> str:
        return self.instead if self.instead is not None else f"{self.before}\n{reference}\n{self.after}"


def forward(body: str, *, when: str = "True") -> str:
    """Source that replaces GPT.forward; ``body`` sees ``honest()``, what the reference would return."""
    return textwrap.dedent(
        """
        import ctypes, os, sys, time
        _forward = GPT.forward

        def _bad(self, tokens, *, classify=False):
            def honest():
                return _forward(self, tokens, classify=classify)
            if not ({when}):
                return honest()
        {body}

        GPT.forward = _bad
        """
    ).format(when=when, body=textwrap.indent(body, "    "))


LOOP = "while True:\n    pass"
STUBBORN = f"while True:\n    try:\n{textwrap.indent(LOOP, ' ' * 8)}\n    except BaseException:\n        pass"
LIAR = "class Liar(torch.Tensor):\n    pass\nreturn honest().as_subclass(Liar)"
UNSPEAKABLE = "class Unspeakable(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Unspeakable"
MARKUP = r"raise RuntimeError('\x1b[31mred\x1b[0m <script>alert(1)</script>')"
CONSTRUCTOR = "def _init(self, config):\n    raise RuntimeError('no model today')\n\nGPT.__init__ = _init"
FORGERY = """
import json, os, struct
_header = json.dumps({"nonce": "0" * 16, "body": {"reply": "answered"}, "tensors": []}).encode()
os.write(3, struct.pack("<4sIQ", b"GRD1", len(_header), 0) + _header)
"""
TIMED_OUT: dict[str, Any] = {"outcome": Outcome.TIMED_OUT, "message": "no answer (within [12] s|2 times)"}
ANSWERED = ("NoneType|PermissionError", "too large")
RUNS: dict[str, Any] = {"item": "projection", "check": "forward-runs"}

BAD = {
    "syntax-error": Bad(instead="def broken(:\n", message="SyntaxError: invalid syntax"),
    "empty-file": Bad(instead="", message="model.py has no class GPT"),
    "import-error": Bad(instead="raise ImportError('a part is missing')\n", message="a part is missing"),
    "missing-module": Bad(before="import no_such_module", message="imports no_such_module, which is not available"),
    "constructor-raises": Bad(after=CONSTRUCTOR, message="RuntimeError: no model today"),
    "not-a-module": Bad(after="def GPT(config):\n    return 7", message="GPT.* is a int; expected a torch.nn.Module"),
    "hangs-at-import": Bad(before=LOOP, **TIMED_OUT),
    "sleeps": Bad(after=forward("time.sleep(1000)"), **TIMED_OUT),
    "loops": Bad(after=forward(LOOP), **TIMED_OUT),
    "loops-and-catches-everything": Bad(after=forward(STUBBORN), **TIMED_OUT),
    "exits": Bad(after=forward("os._exit(0)"), message="its process exited with code 0"),
    "exits-at-import": Bad(before="import os\nos._exit(3)", message="its process exited with code 3"),
    "calls-sys-exit": Bad(after=forward("sys.exit(0)"), message="SystemExit: 0"),
    "interrupts": Bad(after=forward("raise KeyboardInterrupt"), message="KeyboardInterrupt"),
    "segfaults": Bad(after=forward("ctypes.string_at(0)"), message="its process was killed by SIGSEGV"),
    "kills-itself": Bad(after=forward("os.kill(os.getpid(), 9)"), message="SIGKILL|PermissionError"),
    "allocates-100-gb": Bad(after=forward("bytearray(100 << 30)"), message="MemoryError"),
    "allocates-a-100-gb-tensor": Bad(after=forward("torch.ones(100 << 28)"), message="RuntimeError: .*allocate memory"),
    "recurses": Bad(after=forward("return self(tokens)"), message="RecursionError: "),
    "forks": Bad(after=forward("os.fork()\nreturn honest()"), message="PermissionError: "),
    "starts-a-program": Bad(after=forward("os.system('true')"), message="NoneType|PermissionError"),
    "closes-its-descriptors": Bad(after=forward("os.closerange(0, 64)\nreturn honest()"), message="hung up|exited"),
    "floods-its-output": Bad(after=forward("while True:\n    os.write(1, bytes(1 << 20))"), message="File too large"),
    "forges-an-answer": Bad(before=FORGERY, message="nonce|before it was asked"),
    "unspeakable-error": Bad(after=forward(UNSPEAKABLE), message="Unspeakable: .*could not be read"),
    "lone-surrogate": Bad(after=forward(r"raise RuntimeError('bad \ud800 text')"), message="RuntimeError: bad . ?text"),
    "markup-in-an-error": Bad(after=forward(MARKUP), message=r"RuntimeError: red <script>alert\(1\)</script>"),
    "returns-none": Bad(after=forward("return None"), message="is a NoneType; expected a plain torch.Tensor"),
    "returns-a-list": Bad(after=forward("return honest().tolist()"), message="is a list; expected a plain"),
    "returns-a-subclass": Bad(after=forward(LIAR), message="is a Liar; expected a plain torch.Tensor"),
    "returns-bfloat16": Bad(after=forward("return honest().bfloat16()"), message="has dtype bfloat16; expected"),
    "returns-complex": Bad(after=forward("return honest() + 1j"), message="has dtype complex64; expected float32|128"),
    "returns-a-sparse-tensor": Bad(after=forward("return honest().to_sparse()"), message="expected a dense CPU tensor"),
    "returns-a-meta-tensor": Bad(after=forward("return honest().to('meta')"), message="expected a dense CPU tensor"),
    "returns-nan": Bad(
        after=forward("return honest() * float('nan')"),
        check="logits-are-finite", outcome=Outcome.FAILED, message="at position 0 of row 0 the logits are NaN$",
    ),
    "returns-infinity": Bad(
        after=forward("return honest() + float('inf')"),
        check="logits-are-finite", outcome=Outcome.FAILED, message="at position 0 of row 0 the logits are infinite$",
    ),
    "returns-float64": Bad(
        after=forward("return honest().double()"), **RUNS, outcome=Outcome.FAILED, message="logits of dtype float64"
    ),
    "returns-integers": Bad(
        after=forward("return honest().long()"), **RUNS, outcome=Outcome.FAILED, message="logits of dtype int64"
    ),
    "returns-the-last-row": Bad(
        after=forward("return honest()[:, -1]"), **RUNS, outcome=Outcome.FAILED, message="logits of shape"
    ),
    "returns-a-number": Bad(
        after=forward("return honest().sum()"), **RUNS, outcome=Outcome.FAILED, message="logits of shape"
    ),
    "returns-no-columns": Bad(
        after=forward("return honest()[..., :0]"),
        item="projection", check="logits-width", outcome=Outcome.FAILED, message="they have shape",
    ),
    "returns-too-much": Bad(
        after=forward("return torch.zeros(65 << 20, dtype=torch.int8)"), **RUNS, message="too large"
    ),
}  # fmt: skip


def item_of(result: Result, name: str) -> ItemResult:
    return next(item for item in result.items if item.id == name)


def check_of(result: Result, name: str) -> CheckResult:
    return next(check for item in result.items for check in item.checks if check.id == name)


def scores(result: Result, *names: str) -> dict[str, float]:
    return {item.id: item.score for item in result.items if item.id in names}


def children_of(pid: int) -> list[int]:
    """The processes whose parent ``pid`` is, zombies too."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text("latin-1").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                children.append(int(entry.name))
    return children


@pytest.fixture(autouse=True)
def _no_process_left(launcher: Launcher) -> Iterator[None]:
    """No worker outlives the grade that it was forked for."""
    yield

    assert children_of(launcher._process.pid) == []


def assert_only_own_frames(result: Result) -> None:
    """What a learner reads of a traceback names no file but their own."""
    for item in result.items:
        for check in item.checks:
            if check.counterexample is not None and check.counterexample.traceback is not None:
                named = set(re.findall(r'File "([^"]+)"', check.counterexample.traceback))

                assert named <= {"model.py", "train.py", "snippet.py"}


def assert_all_judged(result: Result) -> None:
    """Nothing that a candidate does makes the grader give up."""
    assert [c.id for item in result.items for c in item.checks if c.outcome is Outcome.NOT_JUDGED] == []
    assert result.judged


@pytest.fixture
def in_vain(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers whose answer has not come in time, so far: how long a grade takes where nothing is answered."""
    seen = []
    receive = Worker.receive

    def counted(worker: Worker) -> object:
        try:
            return receive(worker)
        except WorkerTimedOut:
            seen.append(worker)
            raise

    monkeypatch.setattr(Worker, "receive", counted)
    return seen


@pytest.mark.parametrize("bad", [pytest.param(bad, id=name) for name, bad in BAD.items()])
def test_a_bad_model_is_told_what_happened_and_the_training_loop_is_judged_all_the_same(
    bad: Bad, in_vain: list[Worker], grade_files: Grade, exercise: Exercise
) -> None:
    files = {"model.py": bad.model(exercise.reference["model.py"]), "train.py": exercise.reference["train.py"]}
    result = grade_files(files, only=(bad.item, "training-step"), timeout=TIMEOUT)

    assert len(in_vain) <= BOUND
    check = check_of(result, bad.check)
    if result.load_faults:
        assert re.search(bad.message, result.load_faults[0].reason)
        assert (check.outcome, check.blocked_by) == (Outcome.BLOCKED, ())
        assert item_of(result, bad.item).status is Status.WAITS
    else:
        assert bad.outcome == check.outcome
        assert re.search(bad.message, check.message)
    assert bool(result.load_faults) is bad.runs_never
    assert item_of(result, bad.item).score < 15
    assert scores(result, "training-step") == {"training-step": 15}
    assert_all_judged(result)
    assert_only_own_frames(result)


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        pytest.param("raise RuntimeError('broken below')", "RuntimeError: broken below", id="raises"),
        pytest.param(forward(LOOP), "no answer within", id="hangs"),
    ],
)
def test_every_item_that_needs_a_broken_forward_is_without_points_and_within_the_bound(
    after: str, reason: str, in_vain: list[Worker], grade_files: Grade, exercise: Exercise
) -> None:
    files = exercise.reference | {"model.py": f"{exercise.reference['model.py']}\n{after}"}
    result = grade_files(files, timeout=TIMEOUT)

    assert len(in_vain) <= BOUND
    broken = ("masking", "position", "projection", "classifier")
    assert scores(result, *broken) == dict.fromkeys(broken, 0)
    assert scores(result, "training-step") == {"training-step": 15}
    assert {item_of(result, name).status for name in broken} == {Status.WAITS}
    assert [(fault.file, reason in fault.reason) for fault in result.load_faults] == [("model.py", True)]
    assert result.remaining_bugs is None
    assert_all_judged(result)


def test_no_text_of_a_candidate_is_recorded_as_it_is(grade_files: Grade, exercise: Exercise) -> None:
    # A name that is in the answers, and not in the reference's.
    named = r"""
_init = GPT.__init__
def _named(self, config):
    _init(self, config)
    self.register_parameter("\x1b[31m\u202e\x9bwide", nn.Parameter(torch.ones(1)))
GPT.__init__ = _named
"""
    model = exercise.reference["model.py"] + named
    result = grade_files(exercise.reference | {"model.py": model}, only=("masking", "projection"))

    assert "wide" in str(result)
    assert result == harmless(result)


def test_a_forward_that_hangs_with_classify_alone_costs_the_classifier_alone(
    grade_files: Grade, exercise: Exercise
) -> None:
    model = exercise.reference["model.py"] + forward(LOOP, when="classify")
    result = grade_files(exercise.reference | {"model.py": model}, timeout=TIMEOUT)

    assert scores(result, *ALL) == {
        "masking": 15, "position": 15, "projection": 15, "training-step": 15, "kv-cache": 20,
        "classifier": item_of(result, "classifier").score,
    }  # fmt: skip
    assert item_of(result, "classifier").score < 20
    assert result.remaining_bugs == ()


def test_a_decoder_that_hangs_costs_the_cache_alone(grade_files: Grade, exercise: Exercise) -> None:
    stuck = f"\ndef _stuck(self, tokens, cache=None, *, lengths=None):\n{textwrap.indent(LOOP, '    ')}\n"
    model = exercise.reference["model.py"] + stuck + "\nGPT.forward_incremental = _stuck\n"
    result = grade_files(exercise.reference | {"model.py": model}, timeout=TIMEOUT)

    assert scores(result, *ALL) == {
        "masking": 15, "position": 15, "projection": 15, "training-step": 15, "kv-cache": 0, "classifier": 20,
    }  # fmt: skip
    assert check_of(result, "cached-equals-full").outcome == Outcome.TIMED_OUT


def test_a_run_that_hangs_with_classes_costs_the_classifier_alone(grade_files: Grade, exercise: Exercise) -> None:
    stuck = "    model.train()\n    while config.class_weight and model.config.n_classes > 1:\n        pass\n"
    files = exercise.reference | {"train.py": exercise.reference["train.py"].replace("    model.train()\n", stuck)}
    result = grade_files(files, timeout=TIMEOUT, only=("training-step", "classifier"))

    assert scores(result, "training-step") == {"training-step": 15}
    assert check_of(result, "joint-run").outcome == Outcome.TIMED_OUT
    assert item_of(result, "classifier").score < 20


STUCK_OPTIMIZER = f"""
class Stuck(AdamW):
    def step(self, closure=None):
{textwrap.indent(LOOP, " " * 8)}


def make_optimizer(model, config):
    return Stuck(model.parameters(), lr=config.lr)
"""


@pytest.mark.parametrize(
    ("train", "outcome", "message"),
    [
        pytest.param(None, Outcome.BROKEN, "there is no train.py", id="absent"),
        pytest.param("raise RuntimeError('no')\n", Outcome.BROKEN, "RuntimeError: no", id="raises-at-import"),
        pytest.param("{reference}" + STUCK_OPTIMIZER, Outcome.TIMED_OUT, "no answer", id="optimizer-hangs"),
        pytest.param(LOOP, Outcome.TIMED_OUT, "no answer", id="hangs-at-import"),
        pytest.param("import os\nos._exit(1)\n", Outcome.BROKEN, "exited with code 1", id="exits-at-import"),
        pytest.param(
            "{reference}\ndef train_step(*_):\n    return None\n", Outcome.BROKEN,
            "returned a NoneType; expected a dict", id="returns-none",
        ),
        pytest.param(
            "{reference}\ndef train_step(*_):\n    return dict(loss='low', lm_loss=torch.ones(2))\n", Outcome.BROKEN,
            "loss is a str; expected a number", id="returns-text",
        ),
    ],
)  # fmt: skip
def test_a_bad_train_is_told_what_happened_and_the_model_is_judged_in_full(
    train: str | None, outcome: Outcome, message: str, grade_files: Grade, exercise: Exercise
) -> None:
    files = {"model.py": exercise.reference["model.py"]}
    if train is not None:
        files["train.py"] = train.replace("{reference}", exercise.reference["train.py"])
    result = grade_files(files, only=("masking", "projection", "training-step"), timeout=TIMEOUT)

    check = check_of(result, "parameters-move")
    if result.load_faults:
        assert re.search(message, result.load_faults[0].reason)
        assert (check.outcome, item_of(result, "training-step").status) == (Outcome.BLOCKED, Status.WAITS)
    else:
        assert outcome == check.outcome
        assert re.search(message, check.message)
    assert scores(result, *ALL) == {"masking": 15, "projection": 15, "training-step": 0}
    assert_all_judged(result)
    assert_only_own_frames(result)


def test_printing_much_costs_nothing_and_little_of_it_is_kept(grade_files: Grade, exercise: Exercise) -> None:
    noisy = forward("for _ in range(200):\n    print('noise' * 10_000)\nreturn honest()")
    model = exercise.reference["model.py"] + noisy
    result = grade_files(exercise.reference | {"model.py": model}, only=("masking",))

    assert scores(result, *ALL) == {"masking": 15}
    outputs = [check.output for check in item_of(result, "masking").checks]
    assert any(output.startswith("noisenoise") for output in outputs)
    assert max(map(len, outputs)) <= 16 * 1024


def test_a_candidate_that_answers_differently_each_time_has_failed(grade_files: Grade, exercise: Exercise) -> None:
    model = exercise.reference["model.py"] + forward("return honest() + time.perf_counter() % 1e-3")
    result = grade_files(exercise.reference | {"model.py": model}, only=("masking",))

    assert item_of(result, "masking").score < 15
    assert check_of(result, "future-is-hidden").outcome == Outcome.FAILED
    assert check_of(result, "masking-is-exact").outcome == Outcome.FAILED
    assert_all_judged(result)


def test_two_grades_of_a_candidate_that_hangs_say_the_same(grade_files: Grade, exercise: Exercise) -> None:
    files = exercise.reference | {"model.py": exercise.reference["model.py"] + forward("time.sleep(1000)")}

    def told() -> list[tuple[str, Outcome, str]]:
        result = grade_files(files, only=("masking", "classifier"), timeout=0.5)
        return [(check.id, check.outcome, check.message) for item in result.items for check in item.checks]

    assert told() == told()
