"""Extensions are cut out of any reference that keeps the contract, by what they do and not by how they are called."""

import json
import re
from pathlib import Path

import pytest
import torch

from mutations.edit import splice
from mutations.errors import GapError
from mutations.gaps import find_gaps
from mutations.source import Source

REFERENCE = Path(__file__).resolve().parents[2] / "reference"
BUILT_IN = ("model.py", "followups.py", "train.py")
ITEMS = ["kv-cache", "multi-head", "classifier"]

# Kept to the contract and to nothing else: other names inside, the cached way split otherwise, labels under a name.
MODEL = '''\
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GPTConfig:
    vocab_size: int = 7
    block_size: int = 8
    n_layer: int = 2
    n_head: int = 1
    d_model: int = 4
    n_classes: int = 0

    def __post_init__(self):
        if self.d_model % self.n_head:
            raise ValueError(self.n_head)


class LayerKV(NamedTuple):
    k: Tensor
    v: Tensor


class KVCache(NamedTuple):
    layers: tuple[LayerKV, ...]
    lengths: Tensor | None = None


def weigh(q, k, v, offset):
    scores = q @ k.transpose(-2, -1) / q.size(-1) ** 0.5
    hidden = torch.ones(scores.shape[-2:]).triu(1 + offset).bool()
    return scores.masked_fill(hidden, float("-inf")).softmax(dim=-1) @ v


def grown(past, k, v):
    """What was kept, and what is new."""
    return (k, v) if past is None else (torch.cat((past.k, k), dim=1), torch.cat((past.v, v), dim=1))


class SimpleSelfAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        return self.proj(weigh(self.query(x), self.key(x), self.value(x), 0))

    def look_back(self, x, past):
        k, v = grown(past, self.key(x), self.value(x))
        return self.proj(weigh(self.query(x), k, v, k.size(1) - x.size(1))), LayerKV(k, v)


class Dealer:
    def deal(self, x, heads):
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class MultiHeadSelfAttention(nn.Module):
    def __init__(self, width, n_head):
        super().__init__()
        self.query, self.key, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.n_head, self.dealer = n_head, Dealer()

    def forward(self, x):
        q, k, v = (self.dealer.deal(m(x), self.n_head) for m in (self.query, self.key, self.value))
        return self.proj(weigh(q, k, v, 0).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.attn = self._several(config) if config.n_head > 1 else SimpleSelfAttention(config.d_model)

    def _several(self, config):
        return MultiHeadSelfAttention(config.d_model, config.n_head)

    def forward(self, x):
        return x + self.attn(x)

    def advance(self, x, past):
        y, present = self.attn.look_back(x, past)
        return x + y, present


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Layer(config) for _ in range(config.n_layer))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.tagger = None
        if config.n_classes:
            self.tagger = self._make_tagger()

    def _make_tagger(self):
        outputs = self.config.n_classes
        return nn.Linear(self.config.d_model, outputs)

    def forward(self, tokens, *, classify=False):
        x = self.token_embedding(tokens)
        for layer in self.blocks:
            x = layer(x)
        if not classify:
            return self.lm_head(x)
        if self.tagger is None:
            raise ValueError("no head")
        return self._both(x)

    def _both(self, x):
        return self.lm_head(x), self._tags(x)

    def _tags(self, x):
        return self.tagger(x)

    def forward_incremental(self, tokens, cache=None, *, lengths=None):
        x, layers = self.token_embedding(tokens), []
        for index, layer in enumerate(self.blocks):
            x, present = layer.advance(x, cache and cache.layers[index])
            layers.append(present)
        return self.lm_head(x), KVCache(tuple(layers))

    @torch.no_grad()
    def generate(self, prompt, max_new_tokens, *, use_cache=True):
        if use_cache:
            return self._stream(prompt, max_new_tokens)
        for _ in range(max_new_tokens):
            prompt = torch.cat((prompt, self(prompt)[:, -1:].argmax(-1)), dim=1)
        return prompt

    def _stream(self, prompt, count):
        unread, cache = prompt, None
        for _ in range(count):
            logits, cache = self.forward_incremental(unread, cache)
            unread = logits[:, -1:].argmax(-1)
            prompt = torch.cat((prompt, unread), dim=1)
        return prompt
'''
TRAIN = """\
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


class Batch(NamedTuple):
    tokens: Tensor
    targets: Tensor
    labels: Tensor

    def on(self, device):
        return Batch(self.tokens.to(device), self.targets.to(device), self.labels.to(device))


def entropy(logits, wanted):
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())


def tag_entropy(logits, wanted):
    return entropy(logits, wanted) + smoothing(logits)


def smoothing(logits):
    return 0 * logits.sum()


def hits(logits, batch):
    return (logits.argmax(-1) == batch.labels).float().mean()


def loss_fn(model, batch, class_weight=0.0):
    tokens, targets, labels = batch
    logits, class_logits = model(tokens, classify=True) if class_weight else (model(tokens), None)
    lm_loss = entropy(logits, targets)
    class_loss = tag_entropy(class_logits, labels) if class_weight else None
    return (lm_loss + class_weight * class_loss if class_weight else lm_loss), lm_loss, class_loss


def evaluate(model, batches):
    found = []
    for batch in batches:
        if model.config.n_classes > 0:
            found.append(hits(model(batch.tokens, classify=True)[1], batch))
    return {"class_accuracy": found}
"""

PLAIN = "        return self.proj(weigh(self.query(x), self.key(x), self.value(x), 0))\n"
TEXTS = {"model.py": MODEL, "train.py": TRAIN}


def gaps_of(texts, items=None):
    return find_gaps({file: Source(file, text) for file, text in texts.items()}, items)


def starter(texts, items=None):
    edits = [gap.edit for gap in gaps_of(texts, items)]
    return {file: splice(text, [edit for edit in edits if edit.file == file]) for file, text in texts.items()}


def loaded(text):
    space = {"__name__": "loaded"}
    exec(compile(text, "loaded", "exec", dont_inherit=True), space)
    return space


def changed(before, after, *, texts=TEXTS):
    [file] = [file for file, text in texts.items() if before in text]
    assert texts[file].count(before) == 1
    return {**texts, file: texts[file].replace(before, after)}


def test_the_gaps_of_the_built_in_exercise_are_what_its_key_says():
    texts = {file: (REFERENCE / file).read_text(encoding="utf-8") for file in BUILT_IN}
    stubs = json.loads((REFERENCE / "key.json").read_text(encoding="utf-8"))["stubs"]

    assert stubs == [{"item": gap.item, **gap.edit.to_dict()} for gap in gaps_of(texts)]


def test_what_code_that_stays_calls_is_emptied_and_all_else_removed():
    made = starter(TEXTS)
    emptied = re.findall(r'NotImplementedError\("(.+) is yours', made["model.py"] + made["train.py"])

    assert emptied == [
        "Layer._several",
        "GPT._make_tagger",
        "GPT._tags",
        "GPT.forward_incremental",
        "GPT._stream",
        "tag_entropy",
        "hits",
    ]
    for gone in ("look_back", "advance", "grown", "Dealer", "MultiHeadSelfAttention", "smoothing"):
        assert gone in MODEL + TRAIN
        assert gone not in made["model.py"] + made["train.py"]


def test_a_plain_model_and_its_loss_work_without_the_extensions():
    whole, made = ({file: loaded(text) for file, text in texts.items()} for texts in (TEXTS, starter(TEXTS)))
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
    seen = []
    for code in (whole, made):
        torch.manual_seed(0)
        model = code["model.py"]["GPT"](code["model.py"]["GPTConfig"]())
        batch = code["train.py"]["Batch"](tokens, tokens, tokens % 2)
        losses = code["train.py"]["loss_fn"](model, batch)
        seen.append((model.generate(tokens, 3, use_cache=False).tolist(), losses[0].item(), losses[2]))

    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("options", "use"),
    [
        pytest.param({}, lambda model, tokens: model.generate(tokens, 2), id="kv-cache"),
        pytest.param({"n_head": 2}, lambda model, tokens: model(tokens), id="multi-head"),
        pytest.param({"n_classes": 2}, lambda model, tokens: model(tokens, classify=True), id="classifier"),
    ],
)
def test_each_extension_works_before_and_is_to_be_built_afterwards(options, use):
    tokens = torch.tensor([[1, 2, 3]])
    whole, made = (loaded(texts["model.py"]) for texts in (TEXTS, starter(TEXTS)))
    use(whole["GPT"](whole["GPTConfig"](**options)), tokens)

    with pytest.raises(NotImplementedError, match="yours to build"):
        use(made["GPT"](made["GPTConfig"](**options)), tokens)


@pytest.mark.parametrize("item", ITEMS)
def test_one_extension_may_go_while_the_others_are_kept(item):
    gaps = gaps_of(TEXTS, [item])
    for file, text in starter(TEXTS, [item]).items():
        compile(text, file, "exec")

    assert {gap.item for gap in gaps} == {item}
    assert [gap.edit for gap in gaps] == [gap.edit for gap in gaps_of(TEXTS) if gap.item == item]


def test_a_reference_with_one_head_only_has_no_gap_for_more():
    one_head = changed(
        "self._several(config) if config.n_head > 1 else SimpleSelfAttention(config.d_model)",
        "SimpleSelfAttention(config.d_model)",
    )
    start, end = MODEL.index("class Dealer"), MODEL.index("class Layer(")
    one_head = {**one_head, "model.py": one_head["model.py"].replace(MODEL[start:end], "")}
    start, end = MODEL.index("    def _several"), MODEL.index("    def forward(self, x):\n        return x + self.attn")
    one_head = {**one_head, "model.py": one_head["model.py"].replace(MODEL[start:end], "")}

    assert {gap.item for gap in gaps_of(one_head)} == {"kv-cache", "classifier"}


def test_a_head_may_be_made_by_what_is_handed_the_class():
    skipped = changed("nn.Linear(self.config.d_model, outputs)", "skip_init(nn.Linear, self.config.d_model, outputs)")

    assert "GPT._make_tagger is yours to build" in starter(skipped)["model.py"]


def test_a_head_that_is_a_class_of_its_own_is_removed_with_what_makes_it_emptied():
    layer = "class Tagger(nn.Module):\n    def __init__(self, config):\n        super().__init__()\n"
    layer += "        self.out = nn.Linear(config.d_model, config.n_classes)\n\n"
    layer += "    def forward(self, x):\n        return self.out(x)\n\n\n"
    own = changed("class GPT(nn.Module)", layer + "class GPT(nn.Module)")
    own = changed("        outputs = self.config.n_classes\n", "", texts=own)
    made = starter(changed("nn.Linear(self.config.d_model, outputs)", "Tagger(self.config)", texts=own))

    assert "Tagger" not in made["model.py"]
    assert "GPT._make_tagger is yours to build" in made["model.py"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        pytest.param(
            "def forward_incremental(self",
            "def forward_in_steps(self",
            r"kv-cache: looked for a method forward_incremental of the class GPT in model\.py",
            id="cache-absent",
        ),
        pytest.param(
            "            return self._stream(prompt, max_new_tokens)\n",
            "            return self.forward_incremental(prompt)\n",
            r"kv-cache: GPT\.generate has to do with forward_incremental itself.*a function of its own.*keep",
            id="cache-mixed-into-generate",
        ),
        pytest.param(
            "    def forward(self, x):\n        return self.proj(weigh(self",
            "    def forward(self, x, past: LayerKV | None = None):\n        return self.proj(weigh(self",
            r"kv-cache: SimpleSelfAttention\.forward has to do with LayerKV itself",
            id="cache-in-the-plain-attention",
        ),
        pytest.param(
            PLAIN,
            "        k, v = self.key(x), self.value(x)\n        if past:\n"
            "            k = torch.cat((past[0], k), dim=1)\n"
            "            v = torch.cat((past[1], v), dim=1)\n        return self.proj(weigh(self.query(x), k, v, 0))\n",
            r"kv-cache: SimpleSelfAttention\.forward has to do with the keys and values of a cache itself",
            id="cache-joined-in-the-plain-attention",
        ),
        pytest.param(
            "        if use_cache:\n            return self._stream(prompt, max_new_tokens)\n",
            "        prompt = self._stream(prompt, max_new_tokens)\n",
            r"kv-cache: GPT\.generate calls GPT\._stream whether or not a cache is asked for",
            id="cache-unguarded",
        ),
        pytest.param(
            "self._several(config) if config.n_head > 1",
            "MultiHeadSelfAttention(config.d_model, config.n_head) if config.n_head > 1",
            r"multi-head: Layer\.__init__ mentions MultiHeadSelfAttention itself.*make one and call that function",
            id="heads-made-in-a-constructor",
        ),
        pytest.param(
            PLAIN,
            PLAIN.replace("0))", "0 * self.n_head))"),
            r"multi-head: SimpleSelfAttention cannot be removed, since the contract has it",
            id="heads-in-the-simple-attention",
        ),
        pytest.param(
            "def _several(self, config):",
            "def _several(self, config) -> MultiHeadSelfAttention:",
            r"multi-head: MultiHeadSelfAttention cannot be removed while the signature of Layer\._several names it",
            id="heads-in-a-signature",
        ),
        pytest.param(
            "self.tagger = self._make_tagger()",
            "self.tagger = nn.Linear(config.d_model, config.n_classes)",
            r"classifier: GPT\.__init__ makes the linear map with n_classes outputs itself",
            id="head-made-in-the-constructor",
        ),
        pytest.param(
            "        outputs = self.config.n_classes\n",
            "        outputs = 2\n",
            r"classifier: looked for a Linear with n_classes outputs in model\.py, and found none",
            id="head-absent",
        ),
        pytest.param(
            "        return self._both(x)\n",
            "        return self.lm_head(x), self.tagger(x)\n",
            r"classifier: GPT\.forward reads self\.tagger itself",
            id="head-read-in-forward",
        ),
        pytest.param(
            "        return self.tagger(x)\n",
            "        return x\n",
            r"classifier: looked in model\.py for a function that reads what GPT\._make_tagger makes",
            id="head-never-read",
        ),
        pytest.param(
            "        if not classify:\n            return self.lm_head(x)\n",
            "",
            r"classifier: GPT\._both calls GPT\._tags whether or not a classifier is asked for",
            id="head-unguarded",
        ),
        pytest.param(
            "tag_entropy(class_logits, labels) if class_weight",
            "F.cross_entropy(class_logits.flatten(0, 1), labels.flatten()) if class_weight",
            r"classifier: loss_fn works on a batch's labels itself",
            id="labels-in-the-loss",
        ),
        pytest.param(
            "    lm_loss = entropy(logits, targets)\n",
            "    lm_loss = entropy(logits, targets) + tag_entropy(logits, labels)\n",
            r"classifier: loss_fn calls tag_entropy whether or not a classifier is asked for",
            id="labels-unguarded",
        ),
    ],
)
def test_what_cannot_be_cut_out_by_whole_functions_is_refused_with_a_way_out(before, after, message):
    with pytest.raises(GapError, match=message):
        gaps_of(changed(before, after))


def test_a_training_that_knows_no_labels_is_refused():
    unlabelled = {**TEXTS, "train.py": "def loss_fn(model, batch, class_weight=0.0):\n    return model(batch.tokens)\n"}

    with pytest.raises(GapError, match=r"looked in train\.py for a function that is given a batch's labels"):
        gaps_of(unlabelled)


def test_a_class_that_would_be_left_empty_is_refused():
    mixin = "class Steps:\n    def advance(self, x, past):\n        y, present = self.attn.look_back(x, past)\n"
    mixin += "        return x + y, present\n\n\n"
    start, end = MODEL.index("    def advance"), MODEL.index("class GPT(")
    moved = MODEL[:start].rstrip() + "\n\n\n" + MODEL[end:]
    moved = moved.replace("class Layer(nn.Module)", mixin + "class Layer(Steps, nn.Module)")

    with pytest.raises(GapError, match=r"Steps of model\.py would be left empty"):
        gaps_of({**TEXTS, "model.py": moved})


def apart(names, *, imports):
    """The model with these definitions in helpers.py, from which model.py imports them, and which imports others."""
    moved, left = [], MODEL
    for name in names:
        start = MODEL.index(f"class {name}" if f"class {name}" in MODEL else f"def {name}(")
        end = MODEL.index("\n\n\n", start) + 3
        moved.append(MODEL[start:end].rstrip())
        left = left.replace(MODEL[start:end], "")
    head = "import torch\nfrom torch import nn\n\n"
    model = left.replace("from torch import Tensor, nn\n", f"from torch import Tensor, nn\n\n{imports[0]}\n", 1)
    return {"model.py": model, "helpers.py": f"{head}{imports[1]}\n" + "\n\n\n".join(moved) + "\n", "train.py": TRAIN}


def test_an_extension_is_cut_out_of_every_file_with_the_imports_of_what_is_gone():
    texts = apart(["grown", "Dealer"], imports=("from helpers import Dealer\nfrom helpers import grown", ""))
    made = starter(texts)

    assert "grown" not in made["helpers.py"] + made["model.py"]
    assert "import Dealer" not in made["model.py"]
    for text in made.values():
        compile(text, "made", "exec", dont_inherit=True)


def test_what_two_extensions_take_from_one_import_is_refused():
    texts = apart(["grown", "Dealer"], imports=("from helpers import Dealer, grown", ""))

    with pytest.raises(GapError, match="imports in one statement"):
        gaps_of(texts)


def test_what_stays_is_still_imported():
    texts = apart(["weigh", "grown"], imports=("from helpers import weigh, grown", ""))
    made = starter(texts)

    assert "from helpers import weigh\n" in made["model.py"]
    assert "def grown" not in made["helpers.py"]
    assert "def weigh" in made["helpers.py"]
