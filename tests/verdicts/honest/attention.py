"""Correct ways to write the attention of ``model.py`` otherwise."""

ATTEND = """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)
    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
    return weights @ v  # (..., T, D)
"""
FILL = 'scores.masked_fill(mask, float("-inf"))'
SCORES = "q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))"
TRIANGLE = "torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)"
HEAD = "        y = attend(self.query(x), self.key(x), self.value(x), mask)  # (B, T, C)\n"
FORWARD_MASK = "        mask = causal_mask(T, tokens.device)  # (T, T)\n"
POSITIONS_BUILT = "        self.dropout = nn.Dropout(config.dropout)\n        self.blocks"


def attend(body: str) -> dict[str, list[tuple[str, str]]]:
    """``attend`` with another body."""
    return {"model.py": [(ATTEND, body)]}


def buffer(persistent: bool) -> dict[str, list[tuple[str, str]]]:
    """The mask made once, for the longest sequence there can be."""
    made = f"        self.register_buffer('hidden', causal_mask(config.block_size, None), persistent={persistent})\n"
    return {
        "model.py": [
            (POSITIONS_BUILT, made + POSITIONS_BUILT),
            (FORWARD_MASK, "        mask = self.hidden[:T, :T]  # (T, T)\n"),
            ("causal_mask(T, tokens.device)[T_past:]", "self.hidden[T_past:T, :T]"),
        ]
    }


SAME_BITS = {
    "mask-of-ones-and-zeros": {
        "model.py": [
            (TRIANGLE, "torch.tril(torch.ones(T, T, device=device))"),
            (FILL, 'scores.masked_fill(mask == 0, float("-inf"))'),
        ]
    },
    "mask-by-comparing-positions": {
        "model.py": [(TRIANGLE, "torch.arange(T, device=device)[:, None] < torch.arange(T, device=device)[None, :]")]
    },
    "mask-as-not-a-lower-triangle": {
        "model.py": [(TRIANGLE, "~torch.ones(T, T, dtype=torch.bool, device=device).tril()")]
    },
    "mask-as-a-buffer": buffer(persistent=False),
    "mask-as-a-persistent-buffer": buffer(persistent=True),
    "mask-filled-with-the-lowest-float": {
        "model.py": [(FILL, "scores.masked_fill(mask, -torch.finfo(scores.dtype).max)")]
    },
    "mask-by-where": {"model.py": [(FILL, 'torch.where(mask, torch.full_like(scores, float("-inf")), scores)')]},
    "mask-filled-in-place": {"model.py": [(FILL, 'scores.masked_fill_(mask, float("-inf"))')]},
    "softmax-in-float32": {"model.py": [(FILL + ".softmax(dim=-1)", FILL + ".float().softmax(-1).type_as(q)")]},
    "linear-as-a-function": {
        "model.py": [(HEAD, HEAD.replace("self.query(x)", "F.linear(x, self.query.weight, self.query.bias)"))]
    },
}

OTHER_BITS = {
    "mask-added": {
        "model.py": [(FILL, '(scores + torch.zeros_like(scores).masked_fill(mask, float("-inf")))')],
    },
    "mask-added-as-the-lowest-float": {
        "model.py": [(FILL, "(scores + mask.to(scores.dtype) * torch.finfo(scores.dtype).min)")],
    },
    "masked-after-an-exponential-by-hand": attend(
        """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    scores = scores.masked_fill(mask, float("-inf"))
    weights = (scores - scores.amax(dim=-1, keepdim=True)).exp()
    return (weights / weights.sum(dim=-1, keepdim=True)) @ v
"""
    ),
    "scaled-by-a-power": {"model.py": [(SCORES, "q @ k.transpose(-2, -1) * q.size(-1) ** -0.5")]},
    "query-scaled-first": {"model.py": [(SCORES, "(q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)")]},
    "scaled-dot-product-attention-with-a-mask": attend(
        "    return F.scaled_dot_product_attention(q, k, v, attn_mask=~mask)\n"
    ),
    "scaled-dot-product-attention-is-causal": {
        "model.py": [
            (
                HEAD,
                "        q, k, v = self.query(x), self.key(x), self.value(x)\n"
                "        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)\n",
            )
        ]
    },
    "scaled-dot-product-attention-with-a-head-axis": {
        "model.py": [
            (
                HEAD,
                "        q, k, v = (f(x).unsqueeze(1) for f in (self.query, self.key, self.value))\n"
                "        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).squeeze(1)\n",
            )
        ]
    },
    "einsum": attend(
        """    scores = torch.einsum("...td,...sd->...ts", q, k) / math.sqrt(q.size(-1))
    weights = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
    return torch.einsum("...ts,...sd->...td", weights, v)
"""
    ),
    "stacked-query-key-value": {
        "model.py": [
            (
                HEAD,
                """        layers = (self.query, self.key, self.value)
        weight, bias = torch.cat([f.weight for f in layers]), torch.cat([f.bias for f in layers])  # (3C, C), (3C,)
        y = attend(*F.linear(x, weight, bias).chunk(3, dim=-1), mask)
""",
            )
        ]
    },
    "heads-split-and-joined": {
        "model.py": [
            (
                HEAD,
                """        B, T, C = x.shape
        q, k, v = (f(x).view(B, T, 1, C).permute(0, 2, 1, 3) for f in (self.query, self.key, self.value))
        y = attend(q, k, v, mask).transpose(1, 2).reshape(B, T, C)
""",
            )
        ]
    },
    "batched-matmul": {
        "model.py": [
            (
                HEAD,
                """        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = torch.bmm(q, k.mT) / x.size(-1) ** 0.5
        y = torch.bmm(scores.masked_fill(mask, -torch.inf).softmax(-1), v)
""",
            )
        ]
    },
    "one-position-at-a-time": {
        "model.py": [
            (
                HEAD,
                """        q, k, v = self.query(x), self.key(x), self.value(x)
        rows = []
        for t in range(x.size(1)):
            scores = q[:, t : t + 1] @ k[:, : t + 1].mT / math.sqrt(q.size(-1))
            rows.append(scores.softmax(dim=-1) @ v[:, : t + 1])
        y = torch.cat(rows, dim=1)
""",
            )
        ]
    },
    "norms-by-hand": {
        "model.py": [
            (
                "        x = x + self.attn(self.ln_1(x), mask)\n",
                """        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        normal = centred / torch.sqrt(variance + self.ln_1.eps) * self.ln_1.weight + self.ln_1.bias
        x = x + self.attn(normal, mask)
""",
            )
        ]
    },
    "gelu-by-hand": {
        "model.py": [
            (
                "        x = F.gelu(self.fc(x))  # (B, T, 4C)\n",
                "        x = self.fc(x)\n        x = x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0)))\n",
            )
        ]
    },
}
