"""The built-in starter is what the engine makes of the reference, and tells nothing of how it was made."""

import ast
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grader.injection import builtin
from mutations.edit import Edit, splice
from mutations.errors import SiteError, SpliceError

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = {file: (ROOT / "reference" / file).read_text(encoding="utf-8") for file in builtin.FILES}
STARTER = {file: (ROOT / "candidate" / file).read_text(encoding="utf-8") for file in builtin.FILES}
KEY = json.loads((ROOT / "reference" / "key.json").read_text(encoding="utf-8"))
BUGS = ["masking", "position", "projection", "training-step"]
ITEMS = [*BUGS, "kv-cache", "classifier", "multi-head", "position-schemes", "loss-weighting"]


def entries(item):
    return [Edit.from_dict(entry) for entry in (*KEY["bugs"], *KEY["stubs"]) if entry["item"] == item]


def run_visible_tests(folder):
    """The names of the visible tests that pass in a folder; those that fail and those that are skipped, with why."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rA", "--tb=no", "--no-fold-skipped"]
    command.append("test_visible.py")
    wide = {**os.environ, "COLUMNS": "200"}
    ran = subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False, timeout=120)
    outcomes = re.findall(
        r"^(PASSED|FAILED|SKIPPED) test_visible\.py::(\w+)(?: - (.*))?$", ran.stdout, flags=re.MULTILINE
    )
    passed = {name for outcome, name, _ in outcomes if outcome == "PASSED"}
    failed = {name: said for outcome, name, said in outcomes if outcome == "FAILED"}
    return passed, failed, {name: said for outcome, name, said in outcomes if outcome == "SKIPPED"}


def run_by_hand(folder):
    """What `python train.py` prints in a folder, and how many threads it had."""
    counted = "import atexit, torch; atexit.register(lambda: print(torch.get_num_threads(), 'threads'))"
    command = [sys.executable, "-c", f"{counted}; import runpy; runpy.run_path('train.py', run_name='__main__')"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    return ran.stdout.splitlines()


def seen_by(key):
    """By item, the checks that see its bug; how far it moves the answers may differ from machine to machine."""
    return {bug["item"]: bug["killed_by"] for bug in key["bugs"]}


def test_the_committed_files_are_not_stale():
    assert builtin.stale_files(ROOT) == [], "run python -m grader.injection.builtin"


@pytest.mark.slow
def test_the_command_writes_what_is_stale_and_then_finds_nothing(tmp_path, monkeypatch, capsys):
    shutil.copytree(ROOT / "reference", tmp_path / "reference")
    (tmp_path / "candidate").mkdir()
    (tmp_path / "reference" / "key.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(builtin, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="1"):
        builtin.main(["--check"])
    builtin.main([])
    builtin.main(["--check"])
    said = capsys.readouterr().out

    assert "stale: reference/key.json" in said
    assert "written: candidate/model.py" in said
    assert STARTER["train.py"] == (tmp_path / "candidate" / "train.py").read_text(encoding="utf-8")
    assert seen_by(KEY) == seen_by(json.loads((tmp_path / "reference" / "key.json").read_text(encoding="utf-8")))


def test_the_key_says_who_sees_each_bug_and_holds_the_proof():
    assert all(bug["killed_by"] and bug["shows_in"] and bug["difficulty"] for bug in KEY["bugs"])
    assert len(KEY["certificate"]["rows"]) == 2 ** len(BUGS)


def test_a_bug_without_exactly_one_site_is_refused():
    with pytest.raises(SiteError, match=r"'mask-peeks-one-ahead' has 0 sites, expected 1"):
        builtin.make_key({**REFERENCE, "model.py": STARTER["model.py"]})


def test_the_key_has_one_bug_for_each_bug_item_and_stubs_for_each_extension_and_follow_up():
    assert [bug["item"] for bug in KEY["bugs"]] == BUGS
    assert {stub["item"] for stub in KEY["stubs"]} == set(ITEMS) - set(BUGS)
    assert KEY["format"] == 1
    assert all(len(bug["hints"]) == 3 for bug in KEY["bugs"])


def faults(chosen):
    """What is wrong with the reference that has the edits of these items, by file."""
    edits = [edit for item in chosen for edit in entries(item)]
    for file, text in REFERENCE.items():
        here = [edit for edit in edits if edit.file == file]
        try:
            spliced = splice(text, here)
            compile(spliced, file, "exec")
        except (SpliceError, SyntaxError) as error:
            yield f"{file}: {error}"
        else:
            if bool(here) != (spliced != text):
                yield f"{file}: {len(here)} edits, and {'another' if spliced != text else 'the same'} text"


def test_every_subset_of_bugs_and_stubs_composes_and_compiles():
    subsets = [chosen for size in range(len(ITEMS) + 1) for chosen in itertools.combinations(ITEMS, size)]
    found = {chosen: wrong for chosen in subsets if (wrong := list(faults(chosen)))}

    assert len(subsets) == 2 ** len(ITEMS)
    assert found == {}


def test_all_of_them_make_the_starter():
    edits = [edit for item in ITEMS for edit in entries(item)]

    assert {f: splice(t, [e for e in edits if e.file == f]) for f, t in REFERENCE.items()} == STARTER


@pytest.mark.parametrize("file", builtin.FILES)
def test_the_starter_knows_nothing_of_past_or_offset(file):
    assert not re.search(r"past|offset", STARTER[file], flags=re.IGNORECASE)


def test_the_starter_speaks_of_a_cache_only_where_the_contract_does():
    model = ast.parse(STARTER["model.py"])
    contract = {"KVCache", "forward_incremental", "generate"}
    lines = {
        line
        for node in ast.walk(model)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in contract
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    speaking = {n for n, line in enumerate(STARTER["model.py"].splitlines(), 1) if "cache" in line.lower()}

    assert speaking <= lines


def test_the_starter_has_one_head_and_one_position_scheme_and_leaves_more_to_build():
    builders = [node for node in ast.parse(STARTER["followups.py"]).body if isinstance(node, ast.FunctionDef)]

    assert [build.name for build in builders] == ["build_attention", "build_positions"]
    assert all("raise NotImplementedError" in ast.unparse(build.body[-1]) for build in builders)
    for text in STARTER.values():
        assert not re.search(r"MultiHead|slopes|rotate|[Ss]inusoidalPositions|lay_out_rows|in_order|Chunk", text)


@pytest.mark.parametrize("n_head", [1, 2])
def test_the_starter_needs_its_follow_up_file_only_for_follow_ups(n_head, tmp_path):
    for file in ("model.py", "train.py"):
        shutil.copy(ROOT / "candidate" / file, tmp_path)
    script = f"import train\nfrom model import GPT, GPTConfig\nGPT(GPTConfig(n_head={n_head}))\n"
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert ran.stderr.strip().endswith("No module named 'followups'") if n_head > 1 else ran.returncode == 0


def test_helpers_of_an_extension_are_gone_and_the_contract_stays():
    defined = {
        f"{top.name}.{node.name}"
        for top in ast.parse(STARTER["model.py"]).body
        if isinstance(top, ast.ClassDef)
        for node in top.body
        if isinstance(node, ast.FunctionDef)
    }

    assert {"SimpleSelfAttention.forward_incremental", "Block.forward_incremental"}.isdisjoint(defined)
    assert {"GPT.forward", "GPT.forward_incremental", "GPT.generate"} <= defined


def test_the_only_lines_of_its_own_are_the_bugs_and_the_stubs():
    bugs = [bug["after"] for bug in KEY["bugs"] if bug["after"]]
    for file, text in STARTER.items():
        own = set(text.splitlines()) - set(REFERENCE[file].splitlines())
        shorter = {line for line in own if line.startswith("from model import ")}

        assert all("raise NotImplementedError(" in line or any(bug in line for bug in bugs) for line in own - shorter)
        assert shorter <= {"from model import GPTConfig, LayerKV, SimpleSelfAttention, attend, causal_mask"}


def test_the_starter_is_clean_under_ruff():
    pytest.importorskip("ruff")
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "candidate"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert (ran.returncode, ran.stdout) == (0, "")


def test_every_visible_test_passes_on_the_reference(tmp_path):
    for file in (*(ROOT / "reference" / name for name in builtin.FILES), ROOT / "candidate" / "test_visible.py"):
        shutil.copy(file, tmp_path)
    passed, failed, skipped = run_visible_tests(tmp_path)

    assert failed == skipped == {}
    assert len(passed) > 10


def test_on_the_starter_visible_tests_fail_of_bugs_alone_and_what_is_to_be_built_is_skipped(tmp_path):
    for name in (*builtin.FILES, "test_visible.py"):
        shutil.copy(ROOT / "candidate" / name, tmp_path)
    passed, failed, skipped = run_visible_tests(tmp_path)

    assert "test_a_forward_pass_gives_finite_scores_for_every_position" in passed
    assert failed.keys() == {
        "test_training_lowers_the_loss",
        "test_a_trained_model_continues_what_it_was_trained_on",
    }
    assert len(skipped) == 5
    assert all(said.endswith(" is yours to build") for said in skipped.values())
    assert re.search(r"the loss went from 3\.\d+ to 3\.\d+$", failed["test_training_lowers_the_loss"])


@pytest.mark.slow
def test_the_visible_tests_see_a_model_that_was_trained_on_what_it_was_to_guess(tmp_path):
    """With the masking bug left in, the loss falls all the better, and what is learnt is of no use."""
    [bug] = [Edit.from_dict(bug) for bug in KEY["bugs"] if bug["item"] == "masking"]
    for name, text in REFERENCE.items():
        (tmp_path / name).write_text(splice(text, [bug] if bug.file == name else []), encoding="utf-8")
    shutil.copy(ROOT / "candidate" / "test_visible.py", tmp_path)
    _, failed, _ = run_visible_tests(tmp_path)

    assert "test_training_lowers_the_loss" not in failed
    assert "of the tokens are right" in failed["test_a_trained_model_continues_what_it_was_trained_on"]


def test_an_extension_that_is_built_and_wrong_fails_its_visible_test_and_is_not_skipped(tmp_path):
    """Skipped is only what says itself that it is not built."""
    for name in (*builtin.FILES, "test_visible.py"):
        shutil.copy(ROOT / "candidate" / name, tmp_path)
    model = tmp_path / "model.py"
    stub = 'raise NotImplementedError("GPT._classify is yours to build")'
    assert stub in model.read_text(encoding="utf-8")
    model.write_text(model.read_text(encoding="utf-8").replace(stub, "return x"), encoding="utf-8")
    _, failed, skipped = run_visible_tests(tmp_path)

    assert "test_a_model_without_a_classifier_refuses_to_classify" in failed
    assert len(skipped) == 4


@pytest.mark.slow
def test_train_run_by_hand_prints_what_training_starts_from_and_has_one_thread(tmp_path):
    """A process of its own, since it is about being run as one; the losses are those that `train` returns."""
    for name, text in STARTER.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    *printed, held_out, threads = run_by_hand(tmp_path)
    code = (
        "import torch; torch.set_num_threads(1); from train import *; from model import *; config = TrainConfig();"
        "seed_everything(0); losses = train(GPT(GPTConfig(vocab_size=16)), config);"
        "print(*(f'step {i:4d}  loss {losses[i][\"loss\"]:.3f}' for i in range(0, 200, 20)), sep='\\n')"
    )
    command = [sys.executable, "-c", code]
    returned = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120).stdout

    assert printed == returned.splitlines()
    assert held_out.startswith("held out   loss 3.")
    assert threads == "1 threads"
