"""What a check takes for granted, and how large a model may be, an adapter.py has to say: no question can tell."""

from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID, CHECKS
from grader.injection.fit import unmet_assumptions
from grader.injection.observe import Observer
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "nano"
LIMITED = "    assert sizes.block_size <= 40, sizes.block_size\n    return model.GPT("


def test_a_check_that_assumes_something_is_asked_only_where_the_facts_say_it() -> None:
    unsaid = unmet_assumptions(CHECKS, {})

    assert unsaid == {check.id: f"it assumes {', '.join(sorted(check.assumes))}" for check in CHECKS if check.assumes}
    assert unsaid["activation-is-gelu"] == "it assumes activation: gelu"
    said = unmet_assumptions(CHECKS, {"activation": "gelu"})
    assert said == {check: why for check, why in unsaid.items() if check != "activation-is-gelu"}
    assert unmet_assumptions(CHECKS, {"activation": "relu"}) == unsaid


@pytest.mark.slow  # a worker builds models of sizes that a grade would draw
@pytest.mark.parametrize(("largest", "fails"), [("", True), ('\nLARGEST = {"block_size": 40}\n', False)])
def test_a_model_that_cannot_be_larger_is_asked_within_what_its_adapter_permits(
    largest: str, fails: bool, launcher: Launcher
) -> None:
    files = {path.name: path.read_text("utf-8") for path in EXAMPLE.glob("*.py")}
    adapter = files["adapter.py"].replace("    return model.GPT(", LIMITED) + largest
    pool = WorkerPool(launcher, adapter=adapter)
    try:
        observer = Observer(pool, files | {"adapter.py": adapter}, [BY_ID["future-is-hidden"]], [1], (), at_sizes=True)
        with observer.reference_again() as again:
            faults = observer.faults(again)
    finally:
        pool.close()

    assert bool(faults) is fails
    assert all("AssertionError" in fault for fault in faults.values())


WITHOUT_A_TABLE = """
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        return self.proj(F.scaled_dot_product_attention(self.query(x), self.key(x), self.value(x), is_causal=True))


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attn = Attention(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return x + self.attn(self.norm(x))


class GPT(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocab_size, sizes.d_model)
        self.blocks = nn.ModuleList(Block(sizes.d_model) for _ in range(sizes.n_layer))
        self.head = nn.Linear(sizes.d_model, sizes.vocab_size)
        self.classes = nn.Linear(sizes.d_model, sizes.n_classes) if sizes.n_classes else None

    def forward(self, tokens, classify=False):
        x = self.token_embedding(tokens)
        for block in self.blocks:
            x = block(x)
        if classify and self.classes is None:
            raise ValueError("there is no head")
        return (self.head(x), self.classes(x)) if classify else self.head(x)
"""
CLASSIFIES = """
NAMES = {}


def build(model, sizes):
    return model.GPT(sizes)


def logits(net, tokens):
    return net(tokens)


def classify(net, tokens):
    return net(tokens, classify=True)
"""
BY_PLACE = ("self.classes(x)) if", "self.classes(x) + torch.arange(x.size(1))[:, None]) if")


@pytest.mark.parametrize("edit", [None, BY_PLACE], ids=["right", "by place"])
def test_class_scores_of_a_model_without_a_table_of_positions_can_be_asked(
    edit: tuple[str, str] | None, launcher: Launcher
) -> None:
    model = WITHOUT_A_TABLE.replace(*edit) if edit else WITHOUT_A_TABLE
    pool = WorkerPool(launcher, adapter=CLASSIFIES)
    try:
        files = {"model.py": model, "adapter.py": CLASSIFIES}
        observer = Observer(pool, files, [BY_ID["class-logits-shape"]], [1], ())
        with observer.reference_again() as again:
            faults = observer.faults(again)
    finally:
        pool.close()

    assert ["with attention and positions silenced" in fault for fault in faults.values()] == ([True] if edit else [])
