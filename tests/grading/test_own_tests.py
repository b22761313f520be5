"""A submission's own tests earn what they notice of the bugs that are planted in it, and nothing by other means."""

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from random import Random
from types import CodeType

import msgspec
import pytest

from grader.exercise.model import Exercise, Item, StoredExercise
from grader.own_tests import own_tests
from grader.own_tests.mutants import Draw, Mutant, NotRead, Wording, find
from grader.own_tests.results import graded
from grader.own_tests.running import Ran, Runner, Runs
from grader.packages.worker_pool import WorkerPool
from grader.result.audience import for_audience
from grader.result.record import Audience, FollowUp, Outcome, Result, Role, Status
from grader.sandbox.client import Launcher
from grader.sandbox.questions import Planting
from grader.seeds import Seeds
from grader.submission.read import submission_of
from mutations.ways import Way

CheckRunner = Callable[..., FollowUp]
Run = Callable[..., Ran]

TIMEOUT = 120.0  # seconds for one question
BUGS = [f"bug_{number} = 1" for number in range(10, 20)]
PLANTED = Planting(group="training-loop", operator="x", title="x", file="train.py", start=0, end=0, before="", after="")
MODEL = {"model.py": "def double(x):\n    return 2 * x\n", "train.py": ""}
EMPTY = "def test_nothing():\n    pass\n"
CACHE = """
import torch
from model import GPT, GPTConfig

def test_reading_in_chunks_gives_the_scores_of_the_whole():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=11, block_size=16, n_layer=2, d_model=16)).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = torch.randint(11, (2, 9))
    first, cache = model.forward_incremental(tokens[:, :3])
    second, cache = model.forward_incremental(tokens[:, 3:5], cache)
    third, cache = model.forward_incremental(tokens[:, 5:], cache)
    torch.testing.assert_close(torch.cat((first, second, third), dim=1), model(tokens), rtol=0, atol=1e-10)
"""


@pytest.fixture
def worker_pool(launcher: Launcher) -> Iterator[WorkerPool]:
    worker_pool = WorkerPool(launcher)
    yield worker_pool
    worker_pool.close()


@pytest.fixture
def item(exercise: Exercise) -> Item:
    return exercise.followups["own-tests"]


@pytest.fixture
def judge(worker_pool: WorkerPool, exercise: Exercise, item: Item) -> CheckRunner:
    """``judge(files, tests, kv_cache=2) -> FollowUp``, of mutants of these kinds alone, which count so much each."""

    def run(files: Mapping[str, str], tests: Mapping[str, str], seed: int = 1, **mutants: int) -> FollowUp:
        asked = item
        if mutants:
            asked = msgspec.structs.replace(item, mutants={name.replace("_", "-"): n for name, n in mutants.items()})
        submission = submission_of("mine", files, tests=tests)
        seeds = Seeds(seed, submission.sha256)
        return own_tests(asked, submission, exercise, worker_pool, seeds, timeout=TIMEOUT, progress=lambda _: None)

    return run


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(max_workers=2) as threads:
        yield threads


@pytest.fixture
def run(worker_pool: WorkerPool) -> Run:
    """``run(text, limit=..., **files)``: the tests in ``text`` against a package."""

    def ask(text: str, limit: float = TIMEOUT, package: Mapping[str, str] = MODEL) -> Ran:
        return Runner(worker_pool, {"test_mine.py": text}).run(package, limit)

    return ask


@pytest.fixture(scope="module")
def cannot_fail(grade_files: Callable[..., Result], exercise: Exercise) -> Result:
    """The grade of a right package whose tests cannot fail."""
    return grade_files(exercise.reference, tests={"test_mine.py": EMPTY}, only=("own-tests",), explain=False)


# One run


def test_tests_that_hold_pass(run: Run) -> None:
    ran = run("from model import double\n\ndef test_x():\n    print('seen')\n    assert double(2) == 4\n")

    assert (ran.outcome, ran.message, ran.output) == (Outcome.PASSED, "", "seen\n")


@pytest.mark.parametrize(
    ("text", "outcome", "message"),
    [
        ("def test_x():\n    assert False", Outcome.FAILED, "::test_x: AssertionError (test_mine.py, line 2"),
        ("def test_x(:", Outcome.FAILED, "test_mine.py: SyntaxError: invalid syntax (test_mine.py, line 1)"),
        ("import pandas_of_mine", Outcome.FAILED, "ModuleNotFoundError: No module named 'pandas_of_mine'"),
        ("x = 1", Outcome.FAILED, "no test was run"),
        ("import pytest\npytest.importorskip('pandas_of_mine')", Outcome.FAILED, "no test was run; skipped: 1"),
        ("import pytest\ndef test_x():\n    pytest.exit('enough', 0)", Outcome.FAILED, "no test was run"),
        ("def test_a(): pass\ndef test_x():\n    raise KeyboardInterrupt", Outcome.FAILED, "left before the end"),
        ("import os\ndef test_x():\n    os._exit(0)", Outcome.BROKEN, "its process exited with code 0"),
        ("import ctypes\ndef test_x():\n    ctypes.string_at(0)", Outcome.BROKEN, "killed by SIGSEGV"),
        ("import os\ndef test_x():\n    os.write(3, b'x' * 99)\n    os._exit(0)", Outcome.BROKEN, "frame starts with"),
        ("def test_x():\n    open('/proc/1/environ').read()", Outcome.FAILED, "test_mine.py::test_x: "),
        ("import subprocess\ndef test_x():\n    subprocess.run(['true'])", Outcome.FAILED, "PermissionError"),
        ("from grader import grade\ndef test_x(): pass", Outcome.FAILED, "test_mine.py: "),
    ],
    ids=["fails", "syntax", "missing-package", "no-test", "all-skipped", "leaves", "interrupts", "exits", "crashes",
         "forges", "other-processes", "starts-processes", "imports-the-grader"],
)  # fmt: skip
def test_tests_that_do_not_hold_are_told_apart(run: Run, text: str, outcome: Outcome, message: str) -> None:
    ran = run(text)

    assert ran.outcome is outcome
    assert message in ran.message


def test_tests_without_end_are_ended(run: Run) -> None:
    ran = run("def test_x():\n    while True: pass", limit=1.0)

    assert (ran.outcome, ran.message) == (Outcome.TIMED_OUT, "they do not end within 1 s")


def test_a_flood_is_cut_and_what_a_terminal_obeys_is_taken_out(run: Run) -> None:
    ran = run("def test_x():\n    print('\\x1b[31mred\\x1b[0m')\n    for _ in range(10**5): print('x' * 100)\n")

    assert ran.passed
    assert ran.output.startswith("red\nxxx")
    assert len(ran.output) <= 8 * 1024


def test_the_reference_cannot_be_read(run: Run, exercise: StoredExercise) -> None:
    ran = run(f"def test_x():\n    print(open({str(exercise.reference_directory / 'model.py')!r}).read())\n")

    assert ran.outcome is Outcome.FAILED
    assert "PermissionError" in ran.message or "FileNotFoundError" in ran.message
    assert "class GPT" not in ran.output


# Which tests


def test_without_tests_of_its_own_nothing_is_run(judge: CheckRunner, exercise: StoredExercise) -> None:
    visible = {"test_visible.py": (exercise.starter_directory / "test_visible.py").read_text("utf-8")}
    for tests in ({}, visible, {"conftest.py": "x = 1"}):
        told = judge(exercise.reference, tests)

        assert (told.status, told.score, told.max_score, told.checks) == (Status.NOT_BUILT, 0, 10, ())
        assert "no tests of its own" in told.summary.lower()


def test_an_empty_file_is_worth_nothing(judge: CheckRunner) -> None:
    told = judge(MODEL, {"test_mine.py": ""})

    assert (told.status, told.score) == (Status.WRONG, 0)
    assert told.summary.endswith("no test was run")


def test_a_package_in_which_no_bug_shows_in_time_has_only_itself_to_blame(
    judge: CheckRunner, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.own_tests.mutants.DRAW_MUTANTS_TIMEOUT_FACTOR", 0)
    told = judge(exercise.reference, {"test_mine.py": "def test_x(): pass\n"}, masking=1)

    assert (told.status, told.score, told.max_score) == (Status.NOT_BUILT, 0, 10)
    assert "too slowly" in told.summary


# What they are worth


@pytest.mark.slow
def test_the_references_own_tests_notice_every_bug_that_can_be_planted(
    judge: CheckRunner, exercise: StoredExercise
) -> None:
    tests = {"test_end_to_end.py": (exercise.reference_directory / "test_end_to_end.py").read_text("utf-8")}
    told = judge(exercise.reference, tests)

    assert [(check.title, check.message) for check in told.checks if check.outcome is not Outcome.PASSED] == []
    assert (told.status, told.score) == (Status.BUILT, 10)
    assert len(told.checks) > 2 + 24


@pytest.mark.slow
def test_tests_that_cannot_fail_notice_nothing(cannot_fail: Result) -> None:
    [told] = cannot_fail.followups
    guards, missed = told.checks[:2], told.checks[2:]

    assert (told.status, told.score, told.max_score) == (Status.WRONG, 0, 10)
    assert told.summary.startswith(
        f"The tests notice 0 of {len(missed)} bugs that were planted in the package. Those that they miss"
    )
    assert [(check.role, check.outcome) for check in guards] == [(Role.GUARD, Outcome.PASSED)] * 2
    assert [(check.role, check.outcome) for check in missed] == [(Role.EARNS, Outcome.FAILED)] * len(missed)
    assert all(check.title.startswith("A test notices this bug: ") for check in missed)
    assert len({check.id for check in told.checks}) == len(told.checks) > 2 + 24
    assert sum(check.max_score for check in missed) == pytest.approx(10, abs=0.2)
    assert (cannot_fail.full_marks, cannot_fail.judged) == (False, True)


@pytest.mark.slow
def test_a_learner_is_told_which_bugs_were_missed_and_not_where(cannot_fail: Result) -> None:
    missed = cannot_fail.followups[0].checks[2:]
    learnt = for_audience(cannot_fail, Audience.LEARNER).followups[0].checks[2:]

    for check in missed:
        assert check.counterexample is not None
        assert check.counterexample.hidden is not None
        assert re.match(r"--- (model|train)\.py\n\+\+\+ \1\.py\n@@", check.counterexample.hidden.expected)
    assert [check.title for check in learnt] == [check.title for check in missed]
    assert all(check.counterexample is not None and check.counterexample.hidden is None for check in learnt)


@pytest.mark.slow
def test_tests_of_the_cache_are_worth_what_they_notice(judge: CheckRunner, exercise: Exercise) -> None:
    told = judge(exercise.reference, {"test_mine.py": CACHE}, kv_cache=3, training_loop=1)
    of_the_cache = [check for check in told.checks[2:] if check.max_score == told.checks[2].max_score]
    of_the_loop = told.checks[2 + len(of_the_cache) :]
    noticed = [check for check in of_the_cache if check.outcome is Outcome.PASSED]

    assert told.status is Status.PARTLY
    assert 2 < len(noticed) < len(of_the_cache)
    assert all("test_reading_in_chunks_gives_the_scores_of_the_whole" in check.message for check in noticed)
    assert {check.outcome for check in of_the_loop} == {Outcome.FAILED}
    assert told.score == pytest.approx(10 * 3 / 4 * len(noticed) / len(of_the_cache), abs=0.01)


@pytest.mark.slow
def test_the_same_files_earn_the_same_whatever_the_seed_is(judge: CheckRunner, exercise: Exercise) -> None:
    first, second = (judge(exercise.reference, {"test_mine.py": CACHE}, seed=seed, kv_cache=1) for seed in (1, 2))

    assert 0 < first.score < 10
    assert [(check.id, check.outcome) for check in first.checks] == [
        (check.id, check.outcome) for check in second.checks
    ]


# Which bugs are planted


def planting(files: Mapping[str, str], before: str, after: str) -> Planting:
    """A bug at the first place of model.py that reads ``before``."""
    start = files["model.py"].encode().index(before.encode())
    end = start + len(before.encode())
    return Planting(
        group="masking",
        operator=after,
        title="",
        file="model.py",
        start=start,
        end=end,
        before=before,
        after=after,
    )


def test_what_changes_nothing_is_not_planted_and_what_crashes_only_for_want_of_others(
    worker_pool: WorkerPool, exercise: Exercise
) -> None:
    files = exercise.reference
    same, rounds, leaks, crashes = (
        planting(files, "triu(diagonal=1)", after)
        for after in ("triu(diagonal=2 - 1)", "triu(1).to(torch.bool)", "triu(diagonal=2)", "no_such_method()")
    )
    elsewhere = msgspec.structs.replace(leaks, operator="elsewhere", before="not there")
    draw = Draw(worker_pool, files, 1, TIMEOUT)

    def drawn(*plantings: Planting) -> list[str]:
        return [mutant.planting.after for mutant in draw.mutants(plantings)]

    assert drawn(same, rounds, crashes, leaks, elsewhere) == [leaks.after]
    assert drawn(same, rounds, crashes) == [crashes.after]


def test_a_bug_is_planted_at_the_first_place_where_it_shows(worker_pool: WorkerPool, exercise: Exercise) -> None:
    hidden, shown, later = (
        msgspec.structs.replace(planting(exercise.reference, before, after), operator="one")
        for before, after in (
            ("self.config = config", "self.config = (config)"),
            ("triu(diagonal=1)", "triu(diagonal=2)"),
            ("triu(diagonal=1)", "triu(diagonal=3)"),
        )
    )
    draw = Draw(worker_pool, exercise.reference, 1, TIMEOUT)

    assert [mutant.planting for mutant in draw.mutants([hidden, shown, later])] == [shown]


# Kinds without a place


@pytest.mark.slow
def test_a_kind_that_has_no_place_is_left_out_and_named(judge: CheckRunner, exercise: Exercise) -> None:
    told = judge(exercise.starter(), {"test_mine.py": EMPTY}, kv_cache=2, determinism=1)

    assert {check.id for check in told.checks[2:]} >= {"notices-torch-never-seeded", "notices-seed-is-always-the-same"}
    assert told.summary.endswith("None could be planted in the KV cache: that is left out.")


def test_where_no_bug_has_a_place_nothing_can_be_judged(judge: CheckRunner) -> None:
    told = judge(MODEL, {"test_mine.py": "from model import double\ndef test_x(): assert double(1) == 2"})

    assert (told.status, told.score) == (Status.NOT_JUDGED, 0)
    assert "no known kind of bug" in told.summary


def test_a_text_that_brings_the_engine_down_holds_no_bug_that_could_be_planted(worker_pool: WorkerPool) -> None:
    # It ends the process that reads it, where the parser is no better than that; then nothing was found either.
    with contextlib.suppress(NotRead):
        assert find(worker_pool, {"model.py": "(" * 5000, "train.py": ""}, ("masking",)) == ()


# False alarms

LOOKING = """
import hashlib, inspect
import model

def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()

"""


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bytecode(text: str, function: str) -> bytes:
    """What a function in a text is compiled to."""
    waiting = [compile(text, "model.py", "exec")]
    while waiting:
        code = waiting.pop()
        if code.co_name == function:
            return code.co_code
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    raise AssertionError(function)


@pytest.fixture(scope="module")
def otherwise(launcher: Launcher, exercise: Exercise) -> Mapping[str, str]:
    """The reference in other words, wherever there are others."""
    worker_pool = WorkerPool(launcher)
    try:
        return Wording(worker_pool, exercise.reference, 1)._everywhere(Way)
    finally:
        worker_pool.close()


@pytest.mark.parametrize(
    "text",
    [
        "def test_x():\n    assert '(B, T_new, V)' in inspect.getsource(model.GPT.forward_incremental)",
        "def test_x():\n    assert model.GPT.forward.__doc__",
        "def test_x():\n    assert hash_of(model.__spec__.loader.get_source(model.__name__)) == '@TEXT@'",
        "def test_x():\n    assert hash_of(model.GPT.embed.__code__.co_code.hex()) == '@CODE@'",
        "def test_x():\n    assert 'token_embedding' in model.GPT.embed.__code__.co_names",
        "def test_x():\n    assert 1 in model.GPT.forward.__code__.co_consts",
        "def test_x():\n    assert 'for block in self.blocks' in inspect.getsource(model.GPT.forward)",
    ],
    ids=["source", "docstring", "text", "bytecode", "names", "numbers", "words"],
)
def test_tests_that_look_at_the_code_fail_on_the_same_program_in_other_words(
    run: Run, exercise: Exercise, otherwise: Mapping[str, str], text: str
) -> None:
    model = exercise.reference["model.py"]
    text = text.replace("@TEXT@", hash_of(model)).replace("@CODE@", hash_of(bytecode(model, "embed").hex()))

    assert run(LOOKING + text, package=exercise.reference).outcome is Outcome.PASSED
    assert run(LOOKING + text, package=otherwise).outcome is Outcome.FAILED


FROM_OUTSIDE = """
import copy, inspect, io, pickle
from dataclasses import fields

import followups, model, pytest, torch, train
from model import GPT, GPTConfig

def test_what_a_caller_has_to_know():
    assert list(inspect.signature(GPT.generate).parameters) == ["self", "prompt", "max_new_tokens", "use_cache"]
    assert inspect.signature(train.evaluate).parameters["batches"].default is inspect.Parameter.empty
    assert inspect.signature(model.causal_mask).parameters.keys() == {"T", "device"}
    assert [field.name for field in fields(GPTConfig)][:2] == ["vocab_size", "block_size"]
    assert train.train_step.__annotations__["step"] is int
    assert issubclass(followups.MultiHeadSelfAttention, model.SimpleSelfAttention)

def test_what_is_called(monkeypatch):
    seen = []
    monkeypatch.setattr(train.nn.utils, "clip_grad_norm_", lambda *_: seen.append("clipped"))
    monkeypatch.setattr(train, "learning_rate", lambda *_: seen.append("asked") or 0.1)
    monkeypatch.setattr(train, "loss_fn", lambda *_: (loss := torch.zeros(1, requires_grad=True).sum(), loss, None))
    gpt = GPT(GPTConfig())
    train.train_step(gpt, train.make_optimizer(gpt, train.TrainConfig()), None, train.TrainConfig(), 0)
    assert seen == ["asked", "asked", "clipped"]

def test_what_is_said():
    with pytest.raises(ValueError, match=r"sequence length=9 exceeds block_size=4"):
        GPT(GPTConfig(block_size=4))(torch.zeros(1, 9, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'config'"):
        GPT()
    with pytest.raises(AttributeError, match="'int' object has no attribute 'transpose'"):
        model.attend(torch.ones(1, 1), 1, torch.ones(1, 1), torch.ones(1, 1))

def test_what_is_kept():
    gpt = GPT(GPTConfig())
    again = pickle.loads(pickle.dumps(copy.deepcopy(gpt)))
    saved = io.BytesIO()
    torch.save(gpt.state_dict(), saved)
    saved.seek(0)
    again.load_state_dict(torch.load(saved))
    tokens = torch.arange(8)[None]
    assert torch.equal(gpt(tokens), again(tokens))
"""


def test_tests_that_look_at_what_the_code_does_pass_on_the_same_program_in_other_words(
    worker_pool: WorkerPool, exercise: StoredExercise
) -> None:
    directory = exercise.reference_directory
    files = (directory / "test_end_to_end.py", directory.parent / "candidate" / "test_visible.py")
    suites = [file.read_text("utf-8") for file in files] + [FROM_OUTSIDE]
    for told in Wording(worker_pool, exercise.reference, 1).of([exercise.reference] * 2):
        for suite in suites:
            assert Runner(worker_pool, {"test_mine.py": suite}).run(told, TIMEOUT).message == ""


def test_ways_in_which_a_package_answers_otherwise_are_left_out(worker_pool: WorkerPool, exercise: Exercise) -> None:
    looking = {"model.py": "def f(x):\n    return x.real + 1\n"}
    wording = Wording(worker_pool, looking, 1)
    wording.keep_what_holds(lambda files: "getattr" not in files["model.py"])

    assert "getattr" not in wording.of([looking])[0]["model.py"]
    assert wording.of([looking])[0] != looking


def test_a_package_that_stays_the_same_in_no_other_words_is_not_graded(worker_pool: WorkerPool) -> None:
    with pytest.raises(NotRead, match="as soon as it is put in other words"):
        Wording(worker_pool, MODEL, 1).keep_what_holds(lambda _: False)


@pytest.mark.parametrize("control", ["again", "reworded"])
def test_tests_that_fail_where_nothing_is_wrong_are_worth_nothing(item: Item, control: str) -> None:
    passed, failed = Ran(outcome=Outcome.PASSED), Ran(outcome=Outcome.FAILED, message="test_x: AssertionError")
    controls = {"again": passed, "reworded": passed} | {control: failed}
    told = graded(item, {}, passed, again=controls["again"], reworded=controls["reworded"], notices=[])

    assert (told.status, told.score) == (Status.WRONG, 0)
    assert told.summary.endswith("where they fail: test_x: AssertionError")
    assert [check.outcome for check in told.checks].count(Outcome.FAILED) == 1


FAILS, PASSES = Ran(outcome=Outcome.FAILED, test="a"), Ran(outcome=Outcome.PASSED)


class Scripted(Runner):
    """Tests that do on each package what a script says, at once; ``asked`` is all that they were run on."""

    script: Callable[[str, int], Ran]
    asked: list[tuple[str, float]]

    def __init__(self, script: Callable[[str, int], Ran]) -> None:
        object.__setattr__(self, "script", script)
        object.__setattr__(self, "asked", [])

    def run(self, package: Mapping[str, str], limit: float, *, pardoned: bool = False) -> Ran:
        self.asked.append((package["model.py"], limit))
        return self.script(package["model.py"], len(self.asked))


def runs(scripted: Scripted, pool: Executor, first: float = 1.0, timeout: float = 10.0) -> Runs:
    return Runs(scripted, pool, Random(1), first, timeout)


def packages(count: int) -> list[dict[str, str]]:
    return [{"model.py": str(place)} for place in range(count)]


def test_what_came_of_each_is_told_in_their_order_and_asked_in_another(pool: Executor) -> None:
    scripted = Scripted(lambda text, _: Ran(outcome=Outcome.PASSED, message=text))
    told = runs(scripted, pool).of(packages(20), controls=5)

    assert [ran.message for ran in told if ran] == [str(place) for place in range(20)]
    assert sorted(scripted.asked, key=lambda asked: int(asked[0])) != scripted.asked


def test_nothing_more_is_run_once_a_control_has_failed(pool: Executor) -> None:
    told = runs(Scripted(lambda text, _: FAILS if int(text) < 3 else PASSES), pool).of(packages(40), controls=20)

    assert any(ran is FAILS for ran in told[:3])
    assert told.count(None) > 10


@pytest.mark.parametrize(
    ("late", "controls", "outcome", "asked"),
    [(1, 1, Outcome.PASSED, 2), (2, 1, Outcome.TIMED_OUT, 2), (1, 0, Outcome.TIMED_OUT, 1)],
    ids=["once-on-the-package", "twice-on-the-package", "on-a-mutant"],
)
def test_a_time_out_that_costs_points_is_seen_twice(
    worker_pool: WorkerPool, pool: Executor, late: int, controls: int, outcome: Outcome, asked: int
) -> None:
    scripted = Scripted(lambda _, number: replace(PASSES, outcome=Outcome.TIMED_OUT) if number <= late else PASSES)
    object.__setattr__(scripted, "worker_pool", worker_pool)
    (ran,) = runs(scripted, pool).of(packages(1), controls=controls)

    assert ran is not None
    assert (ran.outcome, len(scripted.asked)) == (outcome, asked)
    assert "within" not in ran.message  # how long the tests may take is measured, and other each time


def test_late_mutants_are_left_out_and_controls_are_not(pool: Executor) -> None:
    told = runs(Scripted(lambda *_: PASSES), pool, timeout=-1.0).of(packages(9), controls=4)

    assert told == [PASSES] * 4 + [None] * 5


def test_a_run_on_the_package_gets_as_long_as_the_first_and_one_on_a_mutant_three_times_what_that_took(
    pool: Executor,
) -> None:
    for first, of_a_mutant, of_the_package in ((1.0, 6.0, 30.0), (28.0, 30.0, 87.0)):
        scripted = Scripted(lambda *_: PASSES)
        runs(scripted, pool, first=first).of(packages(2), controls=1)

        assert dict(scripted.asked) == {"0": of_the_package, "1": of_a_mutant}


@pytest.mark.slow
@pytest.mark.parametrize(("noticed_again", "score"), [(True, 10.0), (False, 0.0)], ids=["again", "once"])
def test_what_is_noticed_is_noticed_again_in_other_words(
    judge: CheckRunner, exercise: Exercise, monkeypatch: pytest.MonkeyPatch, noticed_again: bool, score: float
) -> None:
    lines: Counter[str] = Counter()

    def run(self: Runner, package: Mapping[str, str], limit: float) -> Ran:
        """As tests that fail on every mutant the first time, and then on all or none."""
        bug = next((bug for bug in BUGS if bug in package["train.py"]), None)
        if bug is None:
            return PASSES
        lines[bug] += 1
        return FAILS if lines[bug] == 1 or noticed_again else PASSES

    mutants = [Mutant(PLANTED, {**exercise.reference, "train.py": bug}) for bug in BUGS]
    monkeypatch.setattr(Draw, "mutants", lambda *_: mutants)
    monkeypatch.setattr(Wording, "of", lambda _, versions: versions)
    monkeypatch.setattr(Runner, "run", run)
    told = judge(exercise.reference, {"test_mine.py": EMPTY}, training_loop=2)

    assert told.score == score
    assert sorted(lines.values()) == [1] * (len(BUGS) - 4) + [2] * 4 if noticed_again else [2] * len(BUGS)
