"""Every sentence of the contract is asked by checks of the rubric, or promises nothing.

A sentence is named by how it begins. One that is new, or begins otherwise, fails here until somebody says which checks
ask it; that these checks have caught something is what the tests of wrong solutions see to.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from grader.exercise.model import Exercise
from grader.grading.scoring import exact_id

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": (ROOT / "candidate" / "README.md", "## The contract\n", "\n## Follow-up"),
    "contract.md": (ROOT / "docs" / "contract.md", "\n## model.py", "\0"),
}

NOTHING_LEFT = "forward-leaves-no-trace generate-leaves-no-trace evaluate-leaves-no-trace evaluate-is-honest"
BATCHES = "batches-are-as-specified own-batches-follow-the-seed"
LIMITS = "contract-errors cache-limits generate-leaves-no-trace"

README = {
    "B batch, T time": "",
    "Everything is float32": "forward-runs class-logits-shape batches-are-as-specified",
    "You are asked for": "",
    "`lengths` is for rows": "",
    "You may leave": "",
    "**Parameters.**": "parameter-shapes",
    "Buffers, and the name": "",
    "**Seeds.**": "same-init",
    "With `n_classes > 0` every": "lm-untouched",
    "`make_batch` draws": BATCHES,
    "**Training.**": "train-takes-its-batches train-uses-every-batch",
    "With no batch": "train-takes-its-batches",
    "Each call begins anew": "train-uses-every-batch given-optimizer-is-kept",
    "A setting of 0": "steps-follow-any-settings learning-rate-schedule",
    "Without batches it makes": "own-batches-follow-the-seed",
    "It trains in training mode": "train-in-training-mode",
    "A step is made at": "step-is-exact learning-rate-schedule",
    "It reports the losses": "losses-are-numbers joint-training-step",
    "Neither a step nor": "step-leaves-no-trace long-runs-go-on",
    "What is frozen": "step-leaves-no-trace",
    "**Nothing left behind.**": NOTHING_LEFT,
    "`generate` and `evaluate` build": "generate-leaves-no-trace evaluate-leaves-no-trace",
    "`evaluate` measures": "evaluate-leaves-no-trace",
    "`generate` refuses": "generate-leaves-no-trace",
    "Importing a file": "forward-leaves-no-trace step-leaves-no-trace",
    "**Cached decoding.**": "cached-equals-full",
    "`generate` gives the same": "generate-is-greedy cache-in-any-state",
    "The cache is plain tensors: it can": "cache-travels",
    "**Classifier.**": "combined-loss joint-training-step joint-gradients",
    "Labels are any": "joint-run",
    "Class scores are read": "class-scores-share-the-stream classify-leaves-no-trace",
    "**Errors** are": LIMITS,
    "They have one of": LIMITS,
    "So is `classify=True`": "class-logits-shape",
}

CONTRACT = {
    # model.py
    "| `GPTConfig` |": "config-defaults",
    "| `SimpleSelfAttention` |": "",
    "| `GPT(config)` |": "forward-leaves-no-trace",
    "| `GPT.forward(": "forward-runs logits-width class-logits-shape",
    "| `GPT.forward_incremental(": "cached-equals-full cache-unchanged",
    "| `GPT.generate(": "generate-is-greedy generate-leaves-no-trace cache-in-any-state",
    "| `LayerKV`, `KVCache` |": "cache-grows cache-travels",
    "The cache is plain tensors so": "cache-travels",
    "Rows of different lengths": "",
    "`lengths`, int64 (B,)": "ragged-rows-equal-alone ragged-padding-is-ignored",
    "Without `lengths` all": "ragged-lengths-left-out",
    "The new cache's `lengths`": "ragged-cache-tells-lengths ragged-padding-is-ignored",
    "T may be more": "ragged-rows-can-be-picked ragged-cache-travels",
    "A cache without `lengths`": "ragged-lengths-left-out",
    "Rows can be dropped": "ragged-rows-can-be-picked",
    "Only real tokens count": "ragged-limits",
    "More heads than one": "",
    "A submission that has not": "",
    "Head h of H": "heads-are-separate heads-leave-the-start",
    "The class for several heads": "one-head-is-plain",
    "Numerical stability": "scores-of-any-size long-blocks precisions-agree empty-rows-weigh-nothing",
    "Its points are for those rows": "",
    "Other position schemes": "",
    '"sinusoidal":': "sinusoidal-by-formula",
    '"rotary":': "rotary-as-published rotary-by-distance",
    '"alibi":': "alibi-falls-evenly alibi-slopes",
    '"relative":': "relative-by-distance relative-is-learned",
    "Each scheme earns": "schemes-are-causal schemes-decode-alike schemes-have-limits",
    # train.py
    "| `Batch` |": "batches-are-as-specified",
    "| `TrainConfig` |": "train-config-defaults",
    "| `seed_everything(seed)` |": "seed-decides",
    "| `make_batch(": BATCHES,
    "| `make_optimizer(": "parameters-move decay-spares-vectors learning-rate-schedule",
    "| `learning_rate(": "learning-rate-schedule",
    "| `loss_fn(": "combined-loss",
    "| `train_step(": "step-is-exact losses-are-numbers joint-training-step",
    "| `train(": "train-takes-its-batches train-uses-every-batch own-batches-follow-the-seed",
    "| `evaluate(": "evaluate-is-honest evaluate-leaves-no-trace",
    "| `constant_weight(": "class-weight-schedules",
    "| `uncertainty_weighting(": "uncertainty-by-formula",
    "| `gradient_norm_weight(": "gradient-norms-balance",
    "The weight is `config.class_weight`": "class-weight-schedules",
    "By uncertainty": "uncertainty-by-formula",
    "By gradient norms": "gradient-norms-balance weighing-leaves-no-trace",
    "Each of the four": "",
    "`train` makes one update": "train-takes-its-batches",
    "Without a batch": "train-takes-its-batches",
    "Each call begins anew": "train-uses-every-batch",
    "Such an optimizer": "given-optimizer-is-kept",
    "Settings and sizes": "steps-follow-any-settings learning-rate-schedule batches-are-as-specified",
    "Its own batches": "own-batches-follow-the-seed",
    "It puts every module": "train-in-training-mode long-runs-go-on",
    "A parameter that is frozen": "step-leaves-no-trace",
    "`class_loss` is `None` at weight 0": "losses-are-numbers",
    "`train_step` is called": "step-is-exact",
    "It is left open": "",
    # Fixed beyond the signatures
    "**Parameter names": "parameter-shapes",
    "Buffers and the classifier": "",
    "**Seeds**": "same-init",
    "A classifier head changes": "lm-untouched",
    "**Training**": "training-step-is-exact",
    "Dropout acts on": "training-step-is-exact cache-in-any-state",
    "**Classes**": "joint-gradients combined-loss",
    "Of one graph": "joint-gradients",
    "`train` takes the labels": "joint-run",
    "Class scores are of the stream": "class-scores-share-the-stream class-logits-shape",
    "A head may drop": "",
    "`classify=True` leaves": "classify-leaves-no-trace",
    "**Nothing is left": NOTHING_LEFT,
    "`train_step` leaves": "step-leaves-no-trace",
    "`generate` and `evaluate` save": "generate-leaves-no-trace evaluate-leaves-no-trace",
    "`evaluate` reads": "evaluate-leaves-no-trace",
    "Torch's settings": "step-leaves-no-trace evaluate-leaves-no-trace",
    "Importing a file": "forward-leaves-no-trace step-leaves-no-trace",
    "**Errors** are": LIMITS,
    "`generate` raises": "generate-leaves-no-trace",
}
ASKED: Mapping[str, Mapping[str, str]] = {"README.md": README, "contract.md": CONTRACT}

# What follows from what the functions are for: no sentence of its own says so.
WHAT_A_RIGHT_MODEL_DOES = {
    "future-is-hidden",
    "gradient-is-causal",
    "large-scores",
    "past-is-seen",
    "logits-are-finite",
    "same-token-other-position",
    "position-row-reach",
    "order-matters",
    "training-repeats",
    "cache-is-read",
    "cache-is-private",
    "gradients-reach",
    "learns-parity",
    "learns-any-map",
    "attention-alone",
    "cache-can-be-mixed",
    "positions-are-added",
    "rows-stand-alone",
}


def sentences(page: str) -> list[str]:
    """The sentences of a page's contract, and the rows of its tables; signatures stand in the tables, or in code."""
    path, start, end = PAGES[page]
    text = path.read_text("utf-8").split(start)[1].split(end)[0]
    found = []
    for block in re.split(r"\n\s*\n", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        lines = block.strip().splitlines()
        if not lines or lines[0].startswith("#"):
            continue
        if lines[0].startswith("|"):
            found += [line for line in lines if line.startswith("| `")]
            continue
        for item in re.split(r"^- ", block.strip(), flags=re.MULTILINE):
            found += re.split(r"(?<=[.])\s+(?=[A-Z*`\"])", " ".join(item.split()))
    return [sentence for sentence in found if sentence]


@pytest.mark.parametrize("page", PAGES)
def test_every_sentence_has_its_checks_and_nothing_is_asked_of_none(page: str) -> None:
    beginnings = ASKED[page]
    found = sentences(page)

    assert [s for s in found if sum(s.startswith(b) for b in beginnings) != 1] == [], "say which checks ask these"
    assert [b for b in beginnings if not any(s.startswith(b) for s in found)] == [], "no sentence begins so any more"


@pytest.mark.parametrize("page", PAGES)
def test_the_checks_named_are_those_of_the_rubric(page: str, exercise: Exercise) -> None:
    items = (*exercise.rubric.item, *exercise.rubric.followup)
    asked = {check for item in items for check in (*item.earns, *item.takes, *([exact_id(item)] if item.exact else ()))}
    named = {check for checks in ASKED[page].values() for check in checks.split()}

    assert named - asked == set()


def test_every_check_of_an_item_stands_for_something_promised(exercise: Exercise) -> None:
    named = {check for page in ASKED.values() for checks in page.values() for check in checks.split()}
    asked = {check for item in exercise.rubric.item for check in (*item.earns, *item.takes)}

    assert asked - named == WHAT_A_RIGHT_MODEL_DOES
