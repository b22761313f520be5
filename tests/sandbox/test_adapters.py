"""What an adapter.py says of a model, and what it does not say: questions by role reach the right tensors, or none."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

from grader.sandbox.questions import Forward, Gradients, Influence, Settings, Weights
from grader.sandbox.worker import model_answers
from grader.sandbox.worker.contract import ContractAdapter, ContractError
from grader.sandbox.worker.loading import SourcePackage
from grader.sandbox.worker.seeding import keyed_normal, require_named, set_weights
from grader.sandbox.worker.written_adapter import WrittenAdapter

CONFIG: Settings = {"vocab_size": 5, "block_size": 6, "n_layer": 1, "d_model": 4}

# One attention layer with a fused map that is stored (inputs, outputs); the head shares the table of tokens.
MODEL = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, V, T, C):
        super().__init__()
        self.emb = nn.Embedding(V, C)
        self.qkv = nn.Parameter(torch.zeros(C, 3 * C))
        self.head = nn.Linear(C, V, bias=False)
        self.head.weight = self.emb.weight

    def forward(self, tokens):
        x = self.emb(tokens)
        q, k, v = (x @ self.qkv).chunk(3, dim=-1)
        return self.head(x + F.scaled_dot_product_attention(q, k, v, is_causal=True))
"""
ADAPTER = """
NAMES = {
    r"emb\\.weight": "token_embedding.weight",
    r"qkv": ("blocks.0.attn.query.weight", "blocks.0.attn.key.weight", "blocks.0.attn.value.weight"),
}
TRANSPOSED = (r"qkv",)


def build(model, sizes):
    return model.Net(sizes.vocab_size, sizes.block_size, sizes.d_model)


def logits(net, tokens):
    return net(tokens)
"""


@pytest.fixture
def adapter_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., WrittenAdapter]:
    """``adapter_of(text)``: what an adapter.py says of the model above."""

    def make(text: str = ADAPTER) -> WrittenAdapter:
        model, written = ModuleType("model"), ModuleType("written")
        exec(MODEL, vars(model))
        exec(text, vars(written))
        return WrittenAdapter(lambda _: model, written)

    return make


def test_a_fused_map_is_cut_into_its_roles_outputs_first(adapter_of: Callable[..., WrittenAdapter]) -> None:
    fused = torch.arange(48.0).reshape(4, 12)
    parts = dict(adapter_of().parts("qkv", fused))

    assert list(parts) == [f"blocks.0.attn.{part}.weight" for part in ("query", "key", "value")]
    assert all(part.shape == (4, 4) for part in parts.values())
    assert torch.equal(parts["blocks.0.attn.key.weight"], fused[:, 4:8].t())


UNEQUAL = """

def shares(net, name):
    return {shares}
"""


def test_a_fused_map_of_unequal_parts_is_cut_as_its_shares_say(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of(ADAPTER + UNEQUAL.format(shares="4, 1, 1"))
    adapter.new_model(CONFIG)
    fused = torch.arange(48.0).reshape(4, 12)
    parts = dict(adapter.parts("qkv", fused))

    assert [tuple(part.shape) for part in parts.values()] == [(8, 4), (2, 4), (2, 4)]
    assert torch.equal(parts["blocks.0.attn.key.weight"], fused[:, 8:10].t())


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ("4, 1", r"shares of adapter.py returned \(4, 1\) for qkv; expected 3 whole numbers above 0"),
        ("4, 1, 0", "expected 3 whole numbers above 0"),
        ("4, 1, 1.0", "expected 3 whole numbers above 0"),
        ("'abc'", "expected 3 whole numbers above 0"),
        ("5, 1, 1", r"qkv of shape \(12, 4\) cannot be cut into parts like 5, 1, 1"),
    ],
)
def test_shares_that_cut_nothing_are_said(
    shares: str, complaint: str, adapter_of: Callable[..., WrittenAdapter]
) -> None:
    with pytest.raises(ContractError, match=complaint):
        adapter_of(ADAPTER + UNEQUAL.format(shares=shares)).new_model(CONFIG)


def test_a_part_of_a_fused_map_has_the_weights_of_its_role(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of()
    model = adapter.new_model(CONFIG)
    set_weights(model, Weights(7), parts=adapter.parts)

    assert torch.equal(model.qkv[:, 4:8].t(), keyed_normal(7, "blocks.0.attn.key.weight", (4, 4), 0.5))


def test_a_factor_silences_the_part_that_it_names_and_no_other(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of()
    model = adapter.new_model(CONFIG)
    set_weights(model, Weights(7, factors={"attn.key.weight": 0.0}), parts=adapter.parts)

    assert [bool(part.any()) for part in model.qkv.chunk(3, dim=1)] == [True, False, True]


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        (Weights(0, factors={"mlp.proj.weight": 0.0}), "mlp.proj.weight"),
        (Weights(0, factors={"mlp.proj.bias": 0.0}), "mlp.proj.bias"),
        (Weights(0, factors={"attn.key.bias": 2.0}), "attn.key.bias"),
    ],
    ids=["no-such-map", "no-such-map-so-no-bias", "a-bias-that-is-to-be-larger"],
)
def test_a_factor_that_no_parameter_gets_is_an_error(
    weights: Weights, complaint: str, adapter_of: Callable[..., WrittenAdapter]
) -> None:
    adapter = adapter_of()

    with pytest.raises(ContractError, match=complaint):
        require_named(adapter.new_model(CONFIG), weights, adapter.parts)


def test_large_queries_need_queries(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of(ADAPTER.replace('r"qkv": (', 'r"other": ('))
    question = Forward(config=CONFIG, weights=Weights(0, query_scale=9.0))

    with pytest.raises(ContractError, match="query"):
        model_answers.forward(adapter, question, {"tokens.0": np.array([[1, 2]])})


def test_a_map_without_a_bias_is_as_silent_as_one_whose_bias_is_zero(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of()

    require_named(adapter.new_model(CONFIG), Weights(0, factors={"attn.key.bias": 0.0}), adapter.parts)


def test_a_shared_head_does_not_look_into_the_future(adapter_of: Callable[..., WrittenAdapter]) -> None:
    question = Influence(config=CONFIG, weights=Weights(3))
    influence = model_answers.influence(adapter_of(), question, {"tokens": np.array([[4, 0, 2]])})["influence"]

    assert (np.triu(influence, 1) == 0).all()
    assert (np.tril(influence) > 0).sum() == 6


def test_gradients_come_by_role(adapter_of: Callable[..., WrittenAdapter]) -> None:
    question = Gradients(config=CONFIG, weights=Weights(3))
    answer = model_answers.gradients(adapter_of(), question, {"tokens": np.array([[4, 0, 2]])})

    assert set(answer) == {"grad.token_embedding.weight"} | {
        f"grad.blocks.0.attn.{part}.weight" for part in ("query", "key", "value")
    }
    assert answer["grad.blocks.0.attn.value.weight"].shape == (4, 4)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (("def logits", "def other"), "no function logits"),
        (("NAMES = {", "names = {"), "NAMES of adapter.py is a NoneType; expected a dict"),
        (('r"qkv": (', 'r"qkv(": ('), "no regular expression"),
        (('r"qkv": (', 'r"qkv": (3, '), "expected a string"),
        (('"blocks.0.attn.query.weight", ', r'r"blocks.\1.attn.query.weight", '), "invalid group reference"),
        (('"blocks.0.attn.query.weight", ', '"a", "b", "c", '), "cannot be cut into 5 equal parts"),
        (("return model.Net(", "return str("), "build of adapter.py returned a"),
    ],
    ids=["no-logits", "no-names", "no-pattern", "no-role", "no-group", "odd-parts", "no-module"],
)
def test_what_is_wrong_with_an_adapter_is_said(
    changed: tuple[str, str], complaint: str, adapter_of: Callable[..., WrittenAdapter]
) -> None:
    text = ADAPTER.replace(*changed).replace("str(sizes.vocab_size, sizes.block_size, sizes.d_model)", "str(sizes)")
    question = Gradients(config=CONFIG, weights=Weights(3))

    with pytest.raises(ContractError, match=complaint):
        model_answers.gradients(adapter_of(text), question, {"tokens": np.array([[4, 0, 2]])})


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"position": "rotary"}, "no model with position='rotary'"),
        ({"n_classes": 3}, "no function classify"),
    ],
    ids=["position", "classes"],
)
def test_what_an_adapter_cannot_build_is_said(
    config: dict[str, int | float | str], complaint: str, adapter_of: Callable[..., WrittenAdapter]
) -> None:
    with pytest.raises(ContractError, match=complaint):
        adapter_of().new_model({**CONFIG, **config})


def test_patterns_that_match_nothing_are_listed(adapter_of: Callable[..., WrittenAdapter]) -> None:
    adapter = adapter_of(ADAPTER.replace('r"qkv": (', 'r"c_attn": (').replace('(r"qkv",)', '(r"qk",)'))

    assert adapter.unmatched(adapter.new_model(CONFIG)) == ["c_attn", "qk"]


def test_a_submission_brings_no_adapter_of_its_own() -> None:
    own = "raise AssertionError('this was run')\n"
    package = SourcePackage({"model.py": MODEL, "adapter.py": own}, ADAPTER)

    assert package.get_source("submission.adapter") == ADAPTER
    assert isinstance(package.adapter, WrittenAdapter)


def test_where_the_contract_is_kept_a_file_of_that_name_is_a_file_like_any_other() -> None:
    own = "answer = 42\n"
    package = SourcePackage({"model.py": MODEL, "adapter.py": own})

    assert package.get_source("submission.adapter") == own
    assert isinstance(package.adapter, ContractAdapter)
