"""Kinds of code that are easily taken for something else: what is left alone, and its twin that is not.

Each kind was found in a public GPT. The texts are made up, and there are several of a kind: people write one thing in
many ways.
"""

from textwrap import dedent, indent

import pytest

from mutations.catalogue import operator
from mutations.edit import splice

BLOCK = """\
class Block(nn.Module):
    def __init__(self, C):
        super().__init__()
        self.n1 = RMSNorm(C)
        self.n2 = RMSNorm(C)
        self.attn = Attention(C)
        self.mlp = MLP(C)

    def forward(self, x, mask=None):
"""
TIED = """\
class G(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.wte = nn.Embedding(cfg.vocab_size, cfg.dim)
        self.head = nn.Linear(cfg.dim, cfg.vocab_size, bias=False)
        {0}

    def forward(self, t):
        x = self.wte(t)
        return {1}
"""
UNTIED = "self.head(x)"
POSITIONS = """\
class G(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.wte = nn.Embedding(c.vocab_size, c.dim)
        self.wpe = nn.Embedding(c.block_size, c.dim)

    def forward(self, t):
        B, T = t.shape
"""
NORM = """\
class RMSNorm(nn.Module):
    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        return {0}
"""
ATTEND = "def attend(q, k, v, m, T, D):\n"
LOSS = "def loss(x, y):\n    return cross_entropy(x, y)\n"
STEP = "    opt.zero_grad()\n    loss.backward()\n    opt.step()\n    return loss.item()\n"
UPDATE = "opt.zero_grad()\nloss(model, b).backward()\nopt.step()\n"


def block(body):
    return BLOCK + indent(dedent(body), " " * 8)


def positions(body):
    return POSITIONS + indent(body, " " * 8)


def planted(id, text):
    """What each site makes of a text: the lines that are new."""
    before = text.splitlines()
    after = [splice(text, [edit]).splitlines() for edit in operator(id).find(text)]
    return [[line.strip() for line in lines if line not in before] for lines in after]


def nested(update, depth):
    return indent(update, " " * 4 * depth)


LEFT_ALONE = {
    # the stream of a block and its branches
    "mask-added-to-scores": (
        "residual-dropped",
        block("scores = self.attn(self.n1(x))\nscores = scores + mask\nreturn self.n2(scores)\n"),
    ),
    "gate-beside-the-norm": (
        "residual-doubled",
        block("q = self.n1(x)\ng = self.gate(x) + self.bias\nx = x + g\nreturn self.n2(x), q\n"),
    ),
    "correction-of-a-map": (
        "residual-dropped",
        block("q = self.n1(x)\nq = q + self.lora(q)\nreturn self.n2(q)\n"),
    ),
    "norm-after-the-sum": (
        "residual-doubled",
        block("x = self.n1(x + self.attn(x))\nreturn self.n2(x + self.mlp(x))\n"),
    ),
    # weights that two parts share
    **{
        f"tied-{name}": ("token-zero-taken-for-padding", TIED.format(tie, logits))
        for name, tie, logits in (
            ("by-a-chain", "self.head.weight = shared = self.wte.weight", UNTIED),
            ("by-a-name", "shared = self.wte.weight\n        self.head.weight = shared", UNTIED),
            ("by-an-entry", 'self.head.weight = self.parts["wte"].weight', UNTIED),
            ("by-setattr", 'setattr(self.head, "weight", self.wte.weight)', UNTIED),
            ("by-data", "self.wte.weight.data = self.head.weight.data", UNTIED),
            ("by-a-parameter", "self.head.weight = nn.Parameter(self.wte.weight)", UNTIED),
            ("by-a-function", "self._tie_or_clone(self.head, self.wte)", UNTIED),
            ("as-a-layer", "self.wte = self.head", UNTIED),
            ("in-a-product", "pass", "self.wte.weight @ x.mT"),
            ("in-a-call", "pass", "self.project(x, self.wte.weight)"),
        )
    },
    "tied-head-keeps-its-shape": (
        "projection-to-model-width",
        TIED.format('self.head.register_parameter("weight", self.wte.weight)', UNTIED),
    ),
    # functions and layers of the author's own
    **{
        f"own-loss-{name}": ("labels-smoothed", head + LOSS)
        for name, head in (
            ("of-a-star", "from .losses import *\n\n\n"),
            ("that-is-made", "cross_entropy = make_loss()\n\n\n"),
            ("that-is-a-lambda", "cross_entropy = lambda x, y: x.mean()\n\n\n"),
            ("in-a-branch", "if FAST:\n    def cross_entropy(x, y):\n        return x\n\n\n"),
            (
                "or-torchs",
                "try:\n    from fast import cross_entropy\nexcept ImportError:\n    from torch import cross_entropy\n",
            ),
        )
    },
    "own-loss-as-a-parameter": ("labels-smoothed", "def train(x, y, cross_entropy):\n    return cross_entropy(x, y)\n"),
    "own-clip": (
        "clip-each-tensor-alone",
        "from mine import clip_grad_norm_\n\nclip_grad_norm_(m.parameters(), 1.0)\n",
    ),
    # tables that are not of positions, nor of tokens
    "table-of-kinds": (
        "position-table-one-row-more",
        "class G(nn.Module):\n    def __init__(self, V, C, n):\n        self.tok = nn.Embedding(V, C)\n"
        "        self.kind = nn.Embedding(n, C)\n",
    ),
    "table-of-distances": (
        "token-zero-taken-for-padding",
        "class G(nn.Module):\n    def __init__(self, c):\n        self.wpe = nn.Embedding(c.n_ctx, c.dim)\n"
        "        self.a = nn.Embedding(c.K, c.dim)\n        self.b = nn.Embedding(c.L, c.dim)\n",
    ),
    # targets that are no tensor, or are cut into rows
    **{
        f"targets-{name}": ("targets-wrap-around", f"def batch(data, text, buf, i, n, ix):\n{indent(body, '    ')}")
        for name, body in (
            ("of-a-list", "ids = enc.encode(text)\nreturn ids[:-1], ids[1:]\n"),
            (
                "converted-later",
                "x = data[i : i + n]\ny = data[i + 1 : i + n + 1]\nreturn torch.tensor(x), torch.tensor(y)\n",
            ),
            (
                "put-in-lists",
                "xs.append(data[i : i + n])\nys.append(data[i + 1 : i + n + 1])\nreturn torch.tensor(ys)\n",
            ),
            (
                "of-an-array",
                "x = np.stack([data[j : j + n] for j in ix])\ny = np.stack([data[j + 1 : j + 1 + n] for j in ix])\n",
            ),
            ("cut-later", "x = buf[:-1]\ny = buf[1:]\nreturn x.view(2, n), y.view(2, n)\n"),
            ("cut-by-torch", "x = torch.reshape(buf[:-1], (2, n))\ny = torch.reshape(buf[1:], (2, n))\n"),
        )
    },
    "targets-of-a-file": (
        "targets-wrap-around",
        "class L:\n    def __init__(self, p):\n        self.data = np.memmap(p)\n\n    def get(self, i, n):\n"
        "        return self.data[i : i + n], self.data[i + 1 : i + 1 + n]\n",
    ),
    # a loss that would be the same once more
    "old-logits": (
        "loss-reported-after-update",
        "def f(model, opt, x, y):\n    out = model(x)\n    z = out.logits\n    loss = ce(z, y)\n" + STEP,
    ),
    "old-states": (
        "loss-reported-after-update",
        "def f(model, opt, x, y):\n    h = model.embed(x)\n    loss = head(h, y)\n" + STEP,
    ),
    "old-scores-of-self": (
        "loss-reported-after-update",
        "def f(self, opt, x, y):\n    z = self.net(x)\n    loss = ce(z, y)\n" + STEP,
    ),
    # what is called acc, and is none
    "a-loss-called-acc": ("accuracy-of-the-last-batch", "for x in data:\n    acc_loss += f(x)\n"),
    "steps-called-acc": ("accuracy-of-the-last-batch", "for x in data:\n    acc_steps += 1\n"),
    "gradients-called-acc": ("accuracy-of-the-last-batch", "for x in data:\n    grads_acc.append(g(x))\n"),
    # epochs
    "epochs-of-a-loader": (
        "last-step-missing",
        "for e in range(n_epochs):\n    for b in loader:\n" + nested(UPDATE, 2),
    ),
    "epochs-of-a-function": (
        "last-step-missing",
        "def one(loader):\n    for b in loader:\n" + nested(UPDATE, 2) + "\n\nfor i in range(n):\n    one(loader)\n",
    ),
    "epochs-until-the-end": (
        "last-step-missing",
        "for i in range(n):\n    while True:\n        b = next(it)\n" + nested(UPDATE, 2),
    ),
    # masks that are added, and triangles that are none
    "mask-of-zeros": (
        "masked-scores-become-zero",
        ATTEND + '    b = torch.zeros(T, T).masked_fill(m, float("-inf"))\n'
        "    return (q @ k.mT / D**0.5 + b).softmax(-1) @ v\n",
    ),
    "bias-that-is-filled": (
        "masked-scores-become-zero",
        ATTEND + '    b = q.new_zeros(T, T)\n    b.masked_fill_(m, float("-inf"))\n'
        "    return (q @ k.mT + b).softmax(-1) @ v\n",
    ),
    "triangle-that-picks": ("mask-flipped", "def f(s):\n    return s[torch.triu(torch.ones_like(s), 1) == 1]\n"),
    "triangle-that-is-counted": ("mask-flipped", "def f(n):\n    return torch.ones(n, n).tril().sum(-1)\n"),
    "triangle-that-adds-up": ("mask-flipped", "def f(x, n):\n    return torch.tril(torch.ones(n, n)) @ x\n"),
    "triangle-nobody-reads": (
        "mask-flipped",
        "class A(nn.Module):\n    def __init__(self, T):\n"
        "        self.register_buffer('bias', torch.tril(torch.ones(T, T)))\n\n"
        "    def forward(self, q, k, v):\n        return F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
    ),
    "tokens-that-are-ruled-out": ("mask-fill-too-weak", 'probs = logits.masked_fill(out, float("-inf")).softmax(-1)\n'),
    # positions that are given a shape
    **{
        f"positions-{name}": ("positions-count-rows-of-the-batch", positions(body))
        for name, body in (
            ("by-none", "pos = torch.arange(T)[None]\nreturn self.wte(t) + self.wpe(pos), B\n"),
            ("by-none-later", "pos = torch.arange(T)\npos = pos[None, :]\nreturn self.wte(t) + self.wpe(pos), B\n"),
            ("by-torch", "pos = torch.unsqueeze(torch.arange(T), 0)\nreturn self.wte(t) + self.wpe(pos), B\n"),
            ("by-their-table", "pos = torch.arange(T)\nreturn self.wte(t) + self.wpe(pos).unsqueeze(0), B\n"),
        )
    },
    # lists that are not of layers
    **{
        f"list-of-{name}": ("blocks-in-a-plain-list", f"self.{name} = nn.ModuleList([{made} for _ in range(n)])\n")
        for name, made in (
            ("heads", "Head(c)"),
            ("experts", "MLP(c)"),
            ("maps", "nn.Linear(C, C)"),
            ("norms", "nn.LayerNorm(C)"),
            ("embeddings", "nn.Embedding(V, C)"),
        )
    },
    "clones-of-anything": (
        "one-block-for-all-layers",
        "def clones(module, n):\n    return nn.ModuleList([copy.deepcopy(module) for _ in range(n)])\n",
    ),
    # schedules of something else than the rate
    "momentum-that-warms-up": (
        "rate-in-whole-numbers",
        "def momentum(it, warmup):\n    return 0.85 + 0.1 * it / warmup\n",
    ),
    "end-of-a-run": (
        "rate-in-whole-numbers",
        "def cooldown(it, total, warm_steps):\n    return (total - it) / warm_steps\n",
    ),
    # an epsilon that is kept and not used
    "epsilon-of-torchs-norm": ("norm-epsilon-too-large", NORM.format("F.rms_norm(x, (x.size(-1),))")),
    "epsilon-of-nobody": ("norm-without-epsilon", NORM.format("F.normalize(x, dim=-1)")),
    # sums of losses that are no classifier's
    "running-total": (
        "class-weight-left-out",
        "for x, labels in data:\n    total_loss += loss(x, labels) * batch_size\n",
    ),
    "balance-of-experts": ("class-weight-on-the-wrong-loss", "loss = lm_loss + c.router_coef * aux_loss\n"),
    "third-loss": ("class-weight-on-the-wrong-loss", "loss = loss + exit_loss * self.exit_weight\n"),
    # modes that are for something else
    "mode-of-a-loaded-model": (
        "evaluated-in-training-mode",
        "def load(p):\n    m = torch.load(p)\n    m.eval()\n    return m\n",
    ),
    "mode-of-a-sample": (
        "evaluated-in-training-mode",
        "def show(m, x):\n    m.eval()\n    print(m.generate(x))\n    m.train()\n",
    ),
    # caches that are views, and positions that no cache gives
    "cache-that-is-turned": (
        "cache-changed-in-place",
        "pk, pv = past[0].mT.contiguous(), past[1]\nk = torch.cat((pk, k), -1)\nv = torch.cat((pv, v), -2)\n",
    ),
    "positions-that-are-a-default": (
        "distances-restart-with-each-chunk",
        "def f(self, x, at=None):\n    if at is None:\n        at = torch.arange(x.size(1))\n"
        "    return self.g(x, at)\n",
    ),
    # divisions that are no share of a batch
    "loss-of-a-whole-update": (
        "accumulated-loss-not-divided",
        "for x in data:\n    opt.zero_grad()\n    (loss(x) / parts).backward()\n    opt.step()\n    log(parts)\n",
    ),
    "loss-that-is-printed": (
        "loss-keeps-its-graph",
        "for loss in losses():\n    loss.backward()\n    opt.step()\n    print(f'{loss.item()}')\n",
    ),
    "reduction-that-is-asked-for": (
        "loss-summed-over-tokens",
        "def f(x, y, reduction):\n    return F.cross_entropy(x, y, reduction=reduction)\n",
    ),
}

FOUND = {
    "branch-by-name": ("residual-dropped", block("a = self.attn(self.n1(x))\nh = x + a\nreturn h\n"), [["h = a"]]),
    "branch-through-two-names": (
        "residual-doubled",
        block("n = self.n1(x)\na = self.attn(n)\na = self.drop(a)\nx = x + a\nreturn self.n2(x)\n"),
        [["x = a + a"]],
    ),
    "stream-under-a-second-name": (
        "residual-doubled",
        block("kept = x\nx = self.n1(x)\nx = self.attn(x)\nx = kept + x\nreturn self.n2(x)\n"),
        [["x = x + x"]],
    ),
    "free-table": (
        "token-zero-taken-for-padding",
        TIED.format("nn.init.normal_(self.wte.weight, std=0.02)", UNTIED),
        1,
    ),
    "table-that-is-only-looked-at": (
        "token-zero-taken-for-padding",
        TIED.format("n = self.wte.weight.numel()", UNTIED),
        1,
    ),
    "loss-under-torchs-name": ("labels-smoothed", "from torch.nn.functional import cross_entropy\n\n\n" + LOSS, 1),
    "loss-that-is-torchs-by-assignment": ("labels-smoothed", "cross_entropy = F.cross_entropy\n\n\n" + LOSS, 1),
    "vocabulary-of-tokens": (
        "token-zero-taken-for-padding",
        "class G(nn.Module):\n    def __init__(self, num_tokens, C):\n        self.emb = nn.Embedding(num_tokens, C)\n",
        1,
    ),
    "targets-of-a-tensor": ("targets-wrap-around", "chunk = torch.tensor(ids)\nx, y = chunk[:-1], chunk[1:]\n", 1),
    "updates-that-are-counted": ("last-step-missing", "for it in range(max_iters):\n" + nested(UPDATE, 1), 1),
    "mask-that-is-read": (
        "mask-flipped",
        "class A(nn.Module):\n    def __init__(self, T):\n"
        "        self.register_buffer('bias', torch.tril(torch.ones(T, T)))\n\n"
        "    def forward(self, x):\n        return x.masked_fill(self.bias == 0, -1e9)\n",
        1,
    ),
    "epsilon-that-is-used": (
        "norm-epsilon-too-large",
        NORM.format("x / (x.pow(2).mean(-1, True) + self.eps).sqrt()"),
        1,
    ),
    "halves-in-two-lines": (
        "turned-the-other-way",
        "def f(x, n):\n    a = x[..., :n]\n    b = x[..., n:]\n    return torch.cat((-b, a), dim=-1)\n",
        [["return torch.cat((b, -a), dim=-1)"]],
    ),
    "complex-exponential": ("turned-the-other-way", "f = torch.exp(1j * angles)\n", [["f = torch.exp(-1j * angles)"]]),
    "complex-waves": (
        "turned-the-other-way",
        "f = torch.complex(angles.cos(), angles.sin())\n",
        [["f = torch.complex(angles.cos(), -angles.sin())"]],
    ),
    "einsum-of-words": (
        "scale-inverted",
        'def f(q, k, v, d):\n    s = einsum(q, k, "b query d, b key d -> b query key") / d**0.5\n'
        '    return einsum(s.softmax(-1), v, "b query key, b key d -> b query d")\n',
        1,
    ),
    "scaler-alone": (
        "optimizer-never-steps",
        "opt.zero_grad()\nscaler.scale(loss).backward()\nscaler.step(opt)\nscaler.update()\nlog(loss)\n",
        [[]],
    ),
    "step-that-waits": (
        "step-in-every-micro-step",
        "for i, x in enumerate(data):\n    log(i, n)\n    f(x).backward()\n    if (i + 1) % n == 0:\n"
        "        opt.step()\n",
        [["opt.step()"]],
    ),
    "generation-outside-of-the-model": (
        "generated-in-training-mode",
        "def show(m, x):\n    m.eval()\n    print(m.generate(x))\n    m.train()\n",
        1,
    ),
}


@pytest.mark.parametrize(("id", "text"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_only_looks_like_a_site_is_left_alone(id, text):
    compile(text, "text", "exec")

    assert planted(id, text) == []


@pytest.mark.parametrize(("id", "text", "expected"), FOUND.values(), ids=FOUND)
def test_its_twin_is_a_site(id, text, expected):
    found = planted(id, text)

    assert (len(found) if isinstance(expected, int) else found) == expected
