"""A first adapter.py says what the source says, and has a TODO for what it does not."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.injection.first_adapter import first_adapter, read_source, todos
from grader.injection.library_model import copied

TESTS = Path(__file__).resolve().parents[1]
FOREIGN, ADAPTED = TESTS / "mutations" / "foreign", TESTS / "injection" / "adapted"
SOURCES = sorted(path.name for path in FOREIGN.iterdir() if list(path.glob("*.py")))
FUSED = tuple(rf"blocks.\1.attn.{part}.\2" for part in ("query", "key", "value"))

TINY = """\
import torch.nn as nn

class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.second, self.x = None, None
        self.late = nn.LayerNorm(dim)
        self.early = nn.LayerNorm(dim)
    def forward(self, x):
        x = self.early(x)
        return self.late(x)

class Net(nn.Module):
    def __init__(self, vocab_size, dim, depth, strange, seq_len=8, heads=2):
        super().__init__()
        self.emb = nn.Embedding(vocab_size, dim)
        self.blocks = nn.ModuleList([Block(dim) for _ in range(depth)])
        self.head = nn.Linear(dim, vocab_size)
    def forward(self, ids):
        for block in self.blocks:
            ids = block(ids)
        return self.head(ids)
"""


@cache
def written(name: str) -> str:
    """The adapter.py of a foreign source."""
    return first_adapter(read_source(FOREIGN / name).files).text


def names_in(text: str) -> dict[str, tuple[str, ...]]:
    """NAMES of an adapter.py, which runs nothing but itself."""
    scope: dict[str, dict[str, str | tuple[str, ...]]] = {}
    exec(text, scope)
    return {pattern: (roles,) if isinstance(roles, str) else roles for pattern, roles in scope["NAMES"].items()}


def roles_of(names: dict[str, tuple[str, ...]], parameters: list[str]) -> Iterator[tuple[str, ...]]:
    for parameter in parameters:
        matches = [(match, roles) for pattern, roles in names.items() if (match := re.fullmatch(pattern, parameter))]
        yield tuple(match.expand(role) for match, roles in matches for role in roles)


@pytest.mark.parametrize("name", SOURCES)
def test_each_foreign_source_gets_the_three_that_are_required(name: str) -> None:
    text = written(name)

    assert "def build(model, sizes):" in text
    assert "def logits(net, tokens):" in text
    assert any("token_embedding.weight" in roles for roles in names_in(text).values())


# Parameters by name as these sources have them, of the fullest kinds.
PARAMETERS = {
    "book": ["trf_blocks.1.att.W_query.bias", "trf_blocks.0.ff.layers.2.weight", "trf_blocks.0.att.out_proj.bias",
             "out_head.weight", "pos_emb.weight"],
    "mini": ["transformer.h.1.attn.c_attn.bias", "transformer.h.0.ln_2.bias", "transformer.h.0.mlp.c_fc.weight",
             "transformer.ln_f.weight"],
    "tiny_llama": ["layers.1.attention.wk.weight", "layers.0.attention.wo.weight",
                   "layers.0.feed_forward.w2.weight", "norm.weight"],
    "script": ["transformer.h.0.attn.c_attn.weight", "transformer.h.3.attn.c_proj.bias", "transformer.wpe.weight"],
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMETERS)
def test_roles_are_those_that_an_adapter_by_hand_gives(name: str) -> None:
    by_hand = names_in((ADAPTED / name / "adapter.py").read_text("utf-8"))
    if name == "mini":
        by_hand |= {r"lm_head\.weight": ("lm_head.weight",)}
    expected = list(roles_of(by_hand, PARAMETERS[name]))

    assert all(expected)
    assert list(roles_of(names_in(written(name)), PARAMETERS[name])) == expected


def test_a_fused_map_is_cut_and_one_stored_the_other_way_is_turned() -> None:
    text = written("library_gpt2")

    assert names_in(text)[r"transformer\.h\.(\d+)\.attn\.c_attn\.(\w+)"] == FUSED
    assert r'r"transformer\.h\.\d+\.attn\.c_attn\.weight",' in text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nano", "    return net(tokens, tokens)[0]  # without targets only the last position is scored"),
        ("mini", "    return net(tokens)[0]"),
        ("book", "    return net(tokens)"),
        ("tiny_llama", "    return net.last_loss"),
        ("nano", "            n_embd=sizes.d_model,"),
        ("mini", "            attn_pdrop=sizes.dropout,"),
        ("book", '            "context_length": sizes.block_size,'),
        ("tiny_llama", "            dim=width,"),
        ("library_llama", "            num_key_value_heads=sizes.n_head,"),
        ("library_llama", "            num_attention_heads=sizes.n_head,"),
        ("assignment", "        d_ff=4 * width,"),
        ("usual", "    return net.generate(prompt, count, top_k=1)"),
    ],
)
def test_sizes_and_calls(name: str, line: str) -> None:
    assert line in written(name).splitlines()


LIBRARY = """\
import torch.nn as nn
from transformers.cache_utils import Cache, DynamicCache
from transformers.models.toy.configuration_toy import ToyConfig

class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.hidden_size)
        self.ln_2 = nn.LayerNorm(config.hidden_size)
        self.act = config.strange
        if config.add_cross_attention:
            self.ln_cross = nn.LayerNorm(config.hidden_size)
    def forward(self, x):
        x = self.ln_1(x)
        return self.ln_2(x)

class Toy(nn.Module):
    def __init__(self, config: ToyConfig):
        super().__init__()
        self.emb = nn.Embedding(config.vocab_size, config.hidden_size)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.num_hidden_layers)])
        self.head = nn.Linear(config.hidden_size, config.vocab_size)
    def forward(self, input_ids, cache=None, use_cache=None):
        for block in self.blocks:
            input_ids = block(input_ids)
        return Output(logits=self.head(input_ids), cache=cache)
"""


def test_a_model_of_a_library_has_its_configuration_its_cache_and_no_layers_for_an_encoder() -> None:
    text = first_adapter({"model.py": LIBRARY}).text

    assert 'IMPORTS = ("transformers.models.toy.configuration_toy",)' in text
    assert re.search(r"return model\.Toy\(\n +model\.ToyConfig\(\n", text)
    assert 'attn_implementation="eager"' in text
    assert "strange" not in text
    assert "out = net(tokens, cache=deepcopy(cache), use_cache=True)" in text
    assert "return DynamicCache(layers)" in text
    assert names_in(text)[r"blocks\.(\d+)\.ln_2\.(\w+)"] == (r"blocks.\1.ln_2.\2",)
    assert [what for _, what in todos(text)] == [
        "block_size: nothing that the model is made from has a name for it",
        "n_head: nothing that the model is made from has a name for it",
        "write `run`, or `optimizer` and `step`; without them nothing is asked about training.",
    ]


def test_a_copy_of_an_installed_module_says_in_full_what_it_imports() -> None:
    text = copied("libcst.matchers._visitors")

    assert not re.search(r"^ *from \.", text, re.MULTILINE)
    assert "\nfrom libcst.matchers._matcher_base import (\n" in text


@pytest.mark.parametrize(
    ("module", "complaint"),
    [
        ("there_is_none.model", "there_is_none is not installed beside the grader: 'there_is_none.model'; expected a"),
        ("libcst.none", "no such module: 'libcst.none'"),
        ("libcst", "no such module: 'libcst'"),
        ("libcst.matchers", "no such module: 'libcst.matchers'"),
        ("../model", "not the name of a module: '../model'"),
        ("libcst..matchers", "not the name of a module"),
        ("", "not the name of a module: ''"),
    ],
)
def test_what_cannot_be_copied_is_said(module: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        copied(module)


@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
@pytest.mark.parametrize(
    ("module", "left"),
    [("transformers.models.llama.modeling_llama", 1), ("transformers.models.gpt2.modeling_gpt2", 3)],
    ids=["llama", "gpt2"],
)
def test_a_model_of_hugging_face_leaves_little_to_do(module: str, left: int) -> None:
    assert len(todos(first_adapter({"model.py": copied(module)}).text)) == left


@pytest.mark.parametrize("layer", ["a weight that is tied", "one that is not"])
def test_a_head_that_shares_its_weight_has_no_name(layer: str) -> None:
    name = "nano" if layer == "a weight that is tied" else "usual"

    assert (r"lm_head\.weight" in names_in(written(name))) == (name == "usual")


def test_what_cannot_be_known_is_to_do() -> None:
    text = first_adapter({"model.py": TINY}).text
    left = [what for _, what in todos(text)]

    assert "        strange=None,  # TODO: what strange is" in text.splitlines()
    assert any("write `run`" in what for what in left)
    assert "seq_len=sizes.block_size" in text


def test_norms_are_counted_in_the_order_of_their_use() -> None:
    names = names_in(first_adapter({"model.py": TINY}).text)

    assert names[r"blocks\.(\d+)\.early\.(\w+)"] == (r"blocks.\1.ln_1.\2",)
    assert names[r"blocks\.(\d+)\.late\.(\w+)"] == (r"blocks.\1.ln_2.\2",)


def test_queries_that_come_last_are_named_so() -> None:
    files = read_source(FOREIGN / "mini").files
    files["model.py"] = files["model.py"].replace("q, k, v = self.c_attn", "k, v, q = self.c_attn")

    names = names_in(first_adapter(files).text)
    assert names[r"transformer\.h\.(\d+)\.attn\.c_attn\.(\w+)"] == (FUSED[1], FUSED[2], FUSED[0])


def test_a_loop_that_takes_pairs_is_called_and_another_is_to_do() -> None:
    nano = read_source(TESTS.parent / "docs" / "examples" / "nano").files

    assert "    return train.train(" in first_adapter(nano).text
    assert "    return train.train(" not in written("library_llama")


def test_the_only_file_with_a_model_stands_in_for_model_py() -> None:
    read = read_source(FOREIGN / "script")

    assert read.renamed == "train_gpt2.py"
    assert read.files.keys() == {"model.py"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("import math\n\ndef (", r"model.py, line 3 is no Python: 'def \('", id="no-python"),
        pytest.param("x = 1\n", "no GPT found in model.py; expected a class", id="no-model"),
        pytest.param(f"x = {'(' * 5000}1{')' * 5000}\n", "too many nested parentheses", id="brackets"),
        pytest.param(f"x = {'-' * 100_000}1\n", "model.py is nested too deep for Python", id="signs"),
        pytest.param(f"x = a{'.b' * 60_000}\n", "model.py is nested too deep for Python", id="attributes"),
        pytest.param(f"x = {'lambda:' * 1500}1\n", "model.py is nested too deep; ", id="lambdas"),
        pytest.param("x = 1\0\n", "is no Python: ", id="null-byte"),
    ],
)
def test_what_is_no_model_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        first_adapter({"model.py": text})


def test_a_folder_without_python_and_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "gpt.txt"
    file.write_text("")

    with pytest.raises(UsageError, match="no Python file"):
        read_source(tmp_path)
    with pytest.raises(UsageError, match="not a directory"):
        read_source(file)
    with pytest.raises(UsageError, match="no such directory"):
        read_source(tmp_path / "none")
