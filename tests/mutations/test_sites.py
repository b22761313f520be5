"""Which sites an operator has in files that belong together."""

from dataclasses import replace
from pathlib import Path

import libcst as cst
import pytest
from libcst import matchers as m

from mutations.catalogue import OPERATORS, operator
from mutations.roles.owners import is_torchs, takes
from mutations.sites import sites
from mutations.source import Source, together

REFERENCE = Path(__file__).resolve().parents[2] / "reference"

LOSS = "def loss(x, y):\n    return F.cross_entropy(x, y)\n"
TIED = """\
class G(nn.Module):
    def __init__(self, vocab_size, C):
        self.wte = nn.Embedding(vocab_size, C)
        self.head = nn.Linear(C, vocab_size, bias=False)
{0}
    def forward(self, t):
        return {1}
"""


def found(id, files):
    return [(site.edit.file, site.number) for site in sites(together(files), [operator(id)])]


def test_sites_are_looked_for_in_every_file_the_usual_one_first():
    files = {"attention.py": LOSS, "model.py": LOSS, "train.py": LOSS}

    assert found("labels-smoothed", files) == [("train.py", 0), ("attention.py", 1), ("model.py", 2)]


def test_tests_are_left_alone():
    assert found("labels-smoothed", {"test_loss.py": LOSS, "tests/test_loss.py": LOSS, "loss.py": LOSS}) == [
        ("loss.py", 0)
    ]


def test_in_the_built_in_reference_every_site_is_in_the_usual_file_or_in_that_of_the_follow_ups():
    sources = together({path.name: path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.py")})
    placed = list(sites(sources, OPERATORS))
    elsewhere = {(site.operator.file, site.edit.file) for site in placed if site.edit.file != site.operator.file}

    assert elsewhere == {("model.py", "followups.py")}
    assert len(placed) > len(OPERATORS)


def test_a_site_that_is_found_twice_is_one():
    def twice(source):
        edit = source.replace_span(0, 1, "x")
        return iter((edit, edit))

    planned = replace(operator("mask-flipped"), edits=twice)

    assert len(planned.find("a = 1\n")) == 1


def test_two_lines_above_one_that_goes_do_not_make_two_of_it():
    text = (
        "def run(model):\n    for i in range(9):\n        model.eval()\n        a(model)\n"
        "        model.eval()\n        b(model)\n        model.train()\n        c(model)\n"
    )

    assert len(operator("eval-mode-left-behind").find(text)) == 1


@pytest.mark.parametrize(
    ("tie", "logits"),
    [
        pytest.param("        self.wte.weight = self.head.weight\n", "self.head(self.wte(t))", id="assigned"),
        pytest.param("        self.head.weight = self.wte.weight\n", "self.head(self.wte(t))", id="the-other-way"),
        pytest.param('        self._tied_weights_keys = ["head.weight", "wte.weight"]\n', "0", id="listed"),
        pytest.param("", "self.head(t) + self.wte(t) @ self.wte.weight.T", id="multiplied"),
        pytest.param("", "F.linear(self.wte(t), self.wte.weight)", id="in-a-function"),
    ],
)
def test_a_table_that_shares_its_weight_does_learn_its_first_row(tie, logits):
    free, tied = TIED.format("", "self.head(self.wte(t))"), TIED.format(tie, logits)

    assert len(operator("token-zero-taken-for-padding").find(free)) == 1
    assert operator("token-zero-taken-for-padding").find(tied) == []


def test_the_head_of_a_tied_model_keeps_its_shape():
    tied = TIED.format("        self.wte.weight = self.head.weight\n", "self.head(self.wte(t))")

    assert len(operator("projection-to-model-width").find(TIED.format("", "self.head(t)"))) == 1
    assert operator("projection-to-model-width").find(tied) == []


@pytest.mark.parametrize(
    ("text", "torchs"),
    [
        pytest.param("f(x)\n", True, id="nothing-says-otherwise"),
        pytest.param("from torch.nn.functional import f\n\nf(x)\n", True, id="imported-from-torch"),
        pytest.param("import torch.nn.functional as F\n\nF.f(x)\n", True, id="torchs-module"),
        pytest.param("from mine import f\n\nf(x)\n", False, id="imported-from-elsewhere"),
        pytest.param("from .layers import f\n\nf(x)\n", False, id="imported-from-beside"),
        pytest.param("from basics import layers\n\nlayers.f(x)\n", False, id="another-module"),
        pytest.param("def f(x):\n    return x\n\n\nf(x)\n", False, id="defined-here"),
        pytest.param("def g(self, x):\n    return self.f(x)\n", False, id="a-method"),
    ],
)
def test_a_function_that_is_called_like_torchs_may_be_the_authors(text, torchs):
    assert is_torchs(*last_call(text)) is torchs


def test_an_authors_function_takes_the_keywords_that_it_has():
    own = "def f(x, scale=1):\n    return x\n\n\nf(x)\n"
    layer = "class Layer:\n    def __init__(self, n, *, scale=1):\n        self.n = n\n\n\nLayer(x)\n"

    for text, has, has_not in ((own, "scale", "label_smoothing"), (layer, "scale", "padding_idx")):
        source, call = last_call(text)

        assert takes(source, call, has)
        assert not takes(source, call, has_not)


def test_no_option_is_added_to_a_loss_of_the_authors_own():
    text = "from mine import cross_entropy\n\n\ndef loss(x, y):\n    return cross_entropy(x, y)\n"

    options = ("labels-smoothed", "token-zero-ignored", "loss-summed-over-tokens")

    assert [id for id in options if operator(id).find(text)] == []
    assert operator("softmax-before-cross-entropy").find(text)


@pytest.mark.parametrize(
    ("name", "of_tokens", "of_classes"),
    [
        pytest.param("ForCausalLM", 1, 0, id="the-next-token"),
        pytest.param("ForSequenceClassification", 0, 1, id="a-class"),
        pytest.param("ForQuestionAnswering", 0, 0, id="an-answer"),
    ],
)
def test_the_class_around_a_loss_says_what_it_is_for(name, of_tokens, of_classes):
    text = (
        f"class {name}:\n    def forward(self, logits, labels):\n        return nn.CrossEntropyLoss()(logits, labels)\n"
    )

    assert len(operator("token-zero-ignored").find(text)) == of_tokens
    assert len(operator("class-zero-ignored").find(text)) == of_classes


def test_every_operator_can_be_asked_about_a_file_that_holds_nothing():
    assert [each.id for each in OPERATORS if each.find("") or each.find("x = 1\n")] == []


def last_call(text):
    source = Source("model.py", text)
    return source, cst.ensure_type(source.find(m.Call())[-1], cst.Call)


def test_what_a_function_of_another_file_does_is_known():
    attend = "def attend(q, k, v):\n    return (q @ k.transpose(-2, -1)).softmax(dim=-1) @ v\n"
    heads = """\
from attention import attend

class Heads(nn.Module):
    def __init__(self, config):
        self.n_head = config.n_head

    def forward(self, x):
        q, k, v = (each.view(B, T, self.n_head, D).transpose(1, 2) for each in self.maps(x))
        return attend(q, k, v)
"""
    gpt = "class GPT(nn.Module):\n    def __init__(self, config):\n        self.blocks = range(config.n_layer)\n"
    files = {"attention.py": attend, "heads.py": heads, "model.py": gpt}

    assert found("keys-of-first-head-only", files) == [("heads.py", 0)]
    assert found("heads-counted-as-layers", files) == [("heads.py", 0)]
    assert found("keys-of-first-head-only", {"heads.py": heads}) == []
    assert found("heads-counted-as-layers", {"heads.py": heads}) == []
