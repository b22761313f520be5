"""Correct ways to do something else where sizes are large."""

ATTEND = """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)
    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
    return weights @ v  # (..., T, D)
"""
MASK = """    return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)
"""
FORWARD = """        T = tokens.size(1)
        self._check_length(T)
        mask = causal_mask(T, tokens.device)  # (T, T)
"""
CACHED = """        return self.dropout(self.proj(y)), LayerKV(k, v)


def other_attention"""
GREEDY = """        tokens, unread, cache = prompt, prompt, None
        for _ in range(max_new_tokens):
            logits, cache = self.forward_incremental(unread, cache)
"""
LM_LOSS = "    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())\n"
CLASS_LOSS = "    return F.cross_entropy(class_logits.flatten(0, 1), labels.flatten())\n"
CLIP = "    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)\n"

SAME_BITS = {
    "mask-kept-and-grown": {
        "model.py": [
            (
                MASK,
                """    global _hidden
    if T > _hidden.size(0):
        _hidden = torch.ones(2 * T, 2 * T, dtype=torch.bool, device=device).triu(diagonal=1)
    return _hidden[:T, :T]  # (T, T)


_hidden = torch.zeros(0, 0, dtype=torch.bool)
""",
            )
        ]
    },
    "cache-in-room-that-doubles": {
        "model.py": [
            (
                CACHED,
                """        return self.dropout(self.proj(y)), LayerKV(with_room(k), with_room(v))


def with_room(x: Tensor) -> Tensor:
    \"\"\"The same keys or values, in memory for the next power of two of them.\"\"\"
    T = x.size(2)
    room = x.new_empty(*x.shape[:2], 1 << (T - 1).bit_length(), x.size(3))
    room[:, :, :T] = x
    return room[:, :, :T]


def other_attention""",
            )
        ]
    },
    "long-caches-are-copied-before-use": {
        "model.py": [
            (
                GREEDY,
                GREEDY
                + """            if tokens.size(1) % 64 == 0:
                cache = KVCache(tuple(LayerKV(layer.k.clone(), layer.v.clone()) for layer in cache.layers))
""",
            )
        ]
    },
    "clipped-one-by-one-where-there-are-many": {
        "train.py": [
            (
                CLIP,
                """    many = sum(p.numel() for p in model.parameters()) > 10_000
    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip, foreach=not many)
""",
            )
        ]
    },
}

OTHER_BITS = {
    "own-attention-to-64-tokens-and-pytorch's-beyond": {
        "model.py": [
            (
                ATTEND,
                """    if k.size(-2) > 64:
        return F.scaled_dot_product_attention(q, k, v, ~mask)
"""
                + ATTEND,
            )
        ]
    },
    "long-queries-in-pieces": {
        "model.py": [
            (
                ATTEND,
                """    if q.size(-2) > 32:
        cut = q.size(-2) // 2
        halves = ((q[..., :cut, :], mask[..., :cut, :]), (q[..., cut:, :], mask[..., cut:, :]))
        return torch.cat([attend(part, k, v, hidden) for part, hidden in halves], dim=-2)
"""
                + ATTEND,
            )
        ]
    },
    "many-rows-in-turns": {
        "model.py": [
            (
                FORWARD,
                FORWARD.replace(
                    "        mask",
                    """        if tokens.size(0) > 8:
            parts = [self(part, classify=classify) for part in tokens.split(8)]
            return tuple(torch.cat(each) for each in zip(*parts)) if classify else torch.cat(parts)
        mask""",
                ),
            )
        ]
    },
    "losses-of-large-batches-in-pieces": {
        "train.py": [
            (
                LM_LOSS,
                """    return mean_cross_entropy(logits.flatten(0, 1), targets.flatten())


def mean_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    \"\"\"Logits (N, V), targets (N,) -> (), a thousand at a time.\"\"\"
    pieces = zip(logits.split(1000), targets.split(1000), strict=True)
    return torch.stack([F.cross_entropy(*piece, reduction="sum") for piece in pieces]).sum() / len(targets)
""",
            ),
            (CLASS_LOSS, "    return mean_cross_entropy(class_logits.flatten(0, 1), labels.flatten())\n"),
        ]
    },
}
