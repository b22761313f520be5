"""GPTs that keep no contract: each with an adapter.py is injected, verified and graded, in its own words.

An exercise is built, proven and verified for each: that is what an adapter.py is for, and no smaller test shows that a
source of that style can be used at all.
"""

import json
import runpy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from grader.checks.snippets import with_adapter
from grader.environments.exported import harbor_task, openenv_folder, verifiers_package
from grader.environments.verify import main as verify_left
from grader.errors import UsageError
from grader.exercise.model import StoredExercise, read_exercise
from grader.files.write import write_folder
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection import build as building
from grader.injection import workshop
from grader.injection.build import build
from grader.injection.fit import fit
from grader.injection.folder import write
from grader.injection.recipe import Recipe
from grader.injection.verify import verify
from grader.injection.workshop import MEASURED_ON
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Result
from grader.sandbox.client import Launcher
from grader.sandbox.questions import RunTests
from grader.submission.read import submission_of

pytestmark = pytest.mark.slow  # an exercise is built, and dozens of variants of it are graded

SCRIPT = runpy.run_path(str(Path(__file__).with_name("adapted_sources.py")))
source, why_not = SCRIPT["source"], SCRIPT["why_not"]
# One bug of the model and one of the loop, of each source; and one of the cache, where it has one of its own.
BUGS = {
    "example": ("mask-peeks-one-ahead", "accumulated-loss-not-divided"),
    "mini": ("scale-without-root", "optimizer-never-steps"),
    "book": ("values-from-the-key-map", "gradients-accumulate"),
    "tiny_llama": ("turned-the-other-way", "gradients-accumulate"),
    "script": ("positions-run-backwards", "optimizer-never-steps"),
    "fast": ("keys-and-values-cached-crosswise", "fused-parts-out-of-order"),
    "gpt2": ("keys-and-values-cached-crosswise", "gradients-accumulate"),
    "llama": ("turned-the-other-way", "clip-after-step"),
}


@pytest.fixture(scope="session")
def injected(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StoredExercise]:
    """``injected("mini")``: the exercise that its bugs make, measured on one seed; it is not to be changed."""
    root = tmp_path_factory.mktemp("adapted")

    def make(name: str) -> StoredExercise:
        if lacking := why_not(name):
            pytest.skip(lacking)
        folder = root / name
        if not folder.is_dir():
            with pytest.MonkeyPatch.context() as patch:
                for module in (building, workshop):
                    patch.setattr(module, "MEASURED_ON", MEASURED_ON[:1])
                write(build(Recipe(operators=BUGS[name]), source(name), launcher, lambda _: None), folder)
        return read_exercise(folder)

    return make


@pytest.fixture
def graded(launcher: Launcher) -> Callable[..., Result]:
    """``graded(exercise, files) -> Result``."""

    def run(exercise: StoredExercise, files: Mapping[str, str]) -> Result:
        with Session(exercise, launcher) as session:
            return session.grade(submission_of("candidate", files), Options(seed=1))

    return run


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.smoke("own GPT")] if name == "example" else []) for name in BUGS]
)
def test_a_gpt_with_an_adapter_is_injected_proven_and_verified(
    name: str, injected: Callable[[str], StoredExercise], launcher: Launcher
) -> None:
    exercise = injected(name)
    found = verify(exercise, launcher, lambda _: None)

    assert [finding for finding in found.findings if finding.wrong] == []
    assert [finding.what for finding in found.findings][-2:] == [
        "the reference scores 100 of 100",
        "the starter scores 0 of 100",
    ]
    assert {bug.operator for bug in exercise.key.bugs} == set(BUGS[name])


@pytest.mark.parametrize("left", ["starter", "solution"])
def test_a_gpt_with_an_adapter_is_exported_and_verified_where_an_agent_worked(
    left: str, injected: Callable[[str], StoredExercise], tmp_path: Path
) -> None:
    exercise = injected("example")
    write_folder(tmp_path / "task", harbor_task(exercise))
    handed_out = tmp_path / "task" / "environment" / "files"
    app = shutil.copytree(tmp_path / "task" / "solution" if left == "solution" else handed_out, tmp_path / "app")

    assert (handed_out / "adapter.py").read_text("utf-8") == exercise.adapter
    assert "grader grade" not in (tmp_path / "task" / "instruction.md").read_text("utf-8")
    assert verify_left([str(app), str(tmp_path / "task" / "tests" / "exercise"), str(tmp_path / "logs")]) == 0
    earned = json.loads((tmp_path / "logs" / "reward.json").read_bytes())
    assert earned == dict.fromkeys(["reward", "solved", *exercise.items], float(left == "solution"))


def test_other_exports_of_a_gpt_with_an_adapter_hold_the_same_exercise(
    injected: Callable[[str], StoredExercise], tmp_path: Path
) -> None:
    exercise = injected("example")
    write_folder(tmp_path / "gpt-nano", verifiers_package(exercise, "gpt-nano"))
    write_folder(tmp_path / "nano", openenv_folder(exercise, "nano"))
    held = [tmp_path / "gpt-nano" / "gpt_nano" / "exercise", tmp_path / "nano" / "exercise"]

    assert [read_exercise(folder).sha256 for folder in held] == [exercise.sha256] * 2
    assert [read_exercise(folder).adapter for folder in held] == [exercise.adapter] * 2


def test_a_gpt_that_is_not_right_itself_is_refused_by_what_every_decoder_passes(launcher: Launcher) -> None:
    """What can be asked is measured, so that a wrong reference would pass for one of another kind."""
    files = source("example")
    mixed = (
        "\n\n_own = logits\n\n\ndef logits(net, tokens):\n    return _own(net, tokens) + _own(net, tokens).mean(0)\n"
    )
    pool = WorkerPool(launcher, adapter=files["adapter.py"] + mixed)
    try:
        with pytest.raises(UsageError, match=r"its adapter.py is not: it fails .*rows-stand-alone: "):
            fit(pool, files | {"adapter.py": files["adapter.py"] + mixed}, [1])
    finally:
        pool.close()


@pytest.mark.parametrize("name", BUGS)
def test_the_reference_passes_the_visible_tests_that_it_is_handed_out_with(
    name: str, injected: Callable[[str], StoredExercise], launcher: Launcher
) -> None:
    exercise = injected(name)
    pool = WorkerPool(launcher, adapter=exercise.adapter)
    worker = pool.spawn({**exercise.reference, "test_visible.py": exercise.visible_tests}, purpose="tests")
    pool.put(worker, RunTests(modules=("test_visible",)), {}, 60.0)
    _, answer = worker.receive()
    pool.close()

    trains = "\ndef run(" in str(exercise.adapter)
    expected = (0, 3, 0) if trains else (0, 2, 1)
    assert (int(answer["exit"]), int(answer["passed"]), int(answer["skipped"])) == expected


def test_the_starter_has_the_adapter_and_words_of_its_own(injected: Callable[[str], StoredExercise]) -> None:
    exercise = injected("example")
    readme = (exercise.starter_directory / "README.md").read_text("utf-8")

    assert (exercise.starter_directory / "adapter.py").read_text("utf-8") == exercise.adapter
    assert "adapter.py" in exercise.key.hashes
    assert "Nothing is asked here about" in readme
    assert "decoding with a cache" in readme
    assert not {"GPTConfig", "forward_incremental", "TrainConfig"} & set(readme.replace("`", " ").split())


def test_an_adapter_of_a_submissions_own_is_never_run(
    injected: Callable[[str], StoredExercise], graded: Callable[..., Result]
) -> None:
    exercise = injected("example")
    own = "raise SystemExit('a cheat')\n"
    starter, reference = (
        graded(exercise, {**files, "adapter.py": own}) for files in (exercise.starter(), exercise.reference)
    )

    assert (starter.score, reference.score) == (0, 100)
    assert any("adapter.py was not read" in note for note in starter.candidate.notes)


def test_what_is_shown_in_code_is_in_the_words_of_the_adapter(
    injected: Callable[[str], StoredExercise], graded: Callable[..., Result]
) -> None:
    exercise = injected("example")
    result = graded(exercise, exercise.starter())
    snippets = [
        check.counterexample.snippet
        for item in result.items
        for check in item.checks
        if check.counterexample is not None and check.counterexample.snippet
    ]

    assert snippets != []
    assert [text for text in snippets if "adapter.build(source, " not in text or "GPTConfig" in text] == []


def test_the_adapter_counts_in_the_hash_of_the_exercise(
    injected: Callable[[str], StoredExercise], tmp_path: Path
) -> None:
    exercise = injected("example")
    other = Path(shutil.copytree(exercise.reference_directory.parent, tmp_path / "other"))
    (other / "reference" / "adapter.py").write_text(f"{exercise.adapter}\n")

    assert read_exercise(other).sha256 != exercise.sha256


def test_a_rubric_that_says_nothing_of_adapters_has_the_bytes_that_it_had(exercise: StoredExercise) -> None:
    assert b"unasked" not in msgspec.json.encode(exercise.rubric)


def test_a_script_that_goes_by_names_of_the_contract_is_not_shown() -> None:
    head = "import torch\nfrom model import GPT, GPTConfig\n\nmodel = GPT(GPTConfig(vocab_size=3)).double().eval()\n"

    assert with_adapter(head + "print(model.blocks)\n") is None
    assert with_adapter("from train import Batch\n") is None
    assert "SimpleNamespace(vocab_size=3, n_head=1, dropout=0.0, n_classes=0)).double().eval()" in str(
        with_adapter(head + "print(model(tokens))\n")
    )
