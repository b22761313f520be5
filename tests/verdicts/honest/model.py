"""Correct ways to write the rest of the model otherwise: embeddings, head, sizes, files, and everything around."""

ADD = "x = x + self.position_embedding(positions)"
LOGITS = "        logits = self.lm_head(x)  # (B, T, V)\n"
INIT_LOOP = """        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("proj.weight"):
                nn.init.normal_(parameter, std=residual_std)
            elif parameter.dim() >= 2:  # the weights of a LayerNorm stay ones
                nn.init.normal_(parameter, std=std)
"""
CONFIG = "@dataclass(frozen=True)\nclass GPTConfig:"
FORWARD = "        T = tokens.size(1)\n        self._check_length(T)\n        mask"
ATTENTION = """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)
    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
    return weights @ v  # (..., T, D)
"""
HELPER = """import math


def weighted(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    return scores.masked_fill(mask, float("-inf")).softmax(dim=-1) @ v
"""

SAME_BITS = {
    "the-reference-itself": {},
    "positions-in-place": {"model.py": [(ADD, "x += self.position_embedding(positions)")]},
    "positions-first": {"model.py": [(ADD, "x = self.position_embedding(positions) + x")]},
    "positions-as-ids-of-every-row": {
        "model.py": [(ADD, "x = x + self.position_embedding(positions.expand(tokens.shape))")]
    },
    "positions-by-indexing-the-table": {"model.py": [(ADD, "x = x + self.position_embedding.weight[positions]")]},
    "positions-by-slicing-the-table": {
        "model.py": [
            (ADD, "x = x + self.position_embedding.weight[positions[0] : positions[-1] + 1]"),
        ]
    },
    "projection-as-a-function": {"model.py": [(LOGITS, "        logits = F.linear(x, self.lm_head.weight)\n")]},
    "init-by-module": {
        "model.py": [
            (
                INIT_LOOP,
                """        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.data.normal_(mean=0.0, std=residual_std if name.endswith("proj") else std)
            if getattr(module, "bias", None) is not None:
                module.bias.data.zero_()
""",
            )
        ]
    },
    "config-with-slots-and-keywords": {
        "model.py": [(CONFIG, "@dataclass(frozen=True, slots=True, kw_only=True)\nclass GPTConfig:")]
    },
    "config-that-may-change": {"model.py": [(CONFIG, "@dataclass\nclass GPTConfig:")]},
    "annotations-as-text": {
        "model.py": [
            ("import math\nfrom dataclasses", "from __future__ import annotations\n\nimport math\nfrom dataclasses")
        ]
    },
    "cache-types-as-dataclasses": {
        "model.py": [
            ("class LayerKV(NamedTuple):", "@dataclass\nclass LayerKV:"),
            ("class KVCache(NamedTuple):", "@dataclass\nclass KVCache:"),
        ]
    },
    "helper-imported-relatively": {
        "model.py": [
            (
                "from torch.nn import functional as F\n",
                "from torch.nn import functional as F\n\nfrom .scores import weighted\n",
            ),
            (ATTENTION, "    return weighted(q, k, v, mask)\n"),
        ],
        "scores.py": HELPER,
    },
    "helper-imported-by-plain-name": {
        "model.py": [
            ("from torch.nn import functional as F\n", "from torch.nn import functional as F\n\nimport scores\n"),
            (ATTENTION, "    return scores.weighted(q, k, v, mask)\n"),
        ],
        "scores.py": HELPER,
    },
    "prints-what-it-does": {
        "model.py": [(FORWARD, '        print(f"forward of {tuple(tokens.shape)}", flush=True)\n' + FORWARD)],
        "train.py": [("    loss.backward()\n", '    print("loss", loss.item())\n    loss.backward()\n')],
    },
    "compiled-eagerly": {
        "model.py": [("def attend(q:", '@torch.compile(backend="eager")\ndef attend(q:')],
    },
    "asserts-of-its-own": {
        "model.py": [(FORWARD, "        assert tokens.dtype == torch.int64 and tokens.dim() == 2\n" + FORWARD)]
    },
}

OTHER_BITS = {
    "positions-by-one-hot-rows": {
        "model.py": [
            (
                ADD,
                "one_hot = F.one_hot(positions, self.config.block_size).to(x.dtype)  # (T, block_size)\n"
                "        x = x + one_hot @ self.position_embedding.weight",
            )
        ]
    },
    "projection-as-a-product": {"model.py": [(LOGITS, "        logits = x @ self.lm_head.weight.T\n")]},
    "projection-by-einsum": {
        "model.py": [(LOGITS, '        logits = torch.einsum("btc,vc->btv", x, self.lm_head.weight)\n')]
    },
    "forward-by-forward-incremental": {
        "model.py": [
            (
                "        if classify:\n            return logits, self._classify(x)\n        return logits\n",
                "        logits, _ = self.forward_incremental(tokens)\n"
                "        return (logits, self._classify(x)) if classify else logits\n",
            ),
        ]
    },
}
