"""Correct ways to build the cache and the decoding otherwise."""

RAGGED = """        if lengths is not None or (cache is not None and cache.lengths is not None):
            return self._forward_ragged(tokens, past, T_past, cache.lengths if cache is not None else None, lengths)
"""
INSIDE = """        if past is not None:
            k = torch.cat((past.k, k), dim=2)  # (B, 1, T_past + T_new, C)
            v = torch.cat((past.v, v), dim=2)
"""
PROJECTED = """        k = self.key(x).unsqueeze(1)
        v = self.value(x).unsqueeze(1)
"""
RETURNED = "        return self.dropout(self.proj(y)), seen\n"
MASK = "        mask = causal_mask(T, tokens.device)[T_past:]  # (T_new, T): the rows of the new positions\n"
LAST = "        return logits, KVCache(tuple(layers))\n"
LOOP = """        tokens, unread, cache = prompt, prompt, None
        for _ in range(max_new_tokens):
            logits, cache = self.forward_incremental(unread, cache)
            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)
        return tokens
"""
PLAIN_LOOP = """        tokens = prompt
        for _ in range(max_new_tokens):
            next_token = self(tokens)[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, next_token), dim=1)  # (B, T + 1)
        return tokens
"""

SAME_BITS = {
    "one-stacked-tensor": {
        "model.py": [
            (
                LAST,
                """        stacked = torch.stack([torch.stack((layer.k, layer.v)) for layer in layers])
        return logits, KVCache(tuple(LayerKV(*pair.unbind(0)) for pair in stacked.unbind(0)))
""",
            )
        ]
    },
    "room-for-the-whole-block": {
        "model.py": [
            (
                INSIDE,
                """        if past is not None:
            T_past, T = past.k.size(2), past.k.size(2) + x.size(1)
            room = x.new_empty(2, x.size(0), 1, 2 * T, x.size(2))
            room[0, :, :, :T_past], room[1, :, :, :T_past] = past.k, past.v
            room[0, :, :, T_past:T], room[1, :, :, T_past:T] = k, v
            k, v = room[0, :, :, :T], room[1, :, :, :T]
""",
            )
        ]
    },
    "views-that-are-not-contiguous": {
        "model.py": [
            (
                LAST,
                """        layers = [LayerKV(*(t.mT.contiguous().mT for t in layer)) for layer in layers]
        return logits, KVCache(tuple(layers))
""",
            )
        ]
    },
    "mask-by-offset": {
        "model.py": [
            (
                MASK,
                "        seen = torch.ones(T_new, T, dtype=torch.bool, device=tokens.device).tril(diagonal=T_past)\n"
                "        mask = ~seen  # (T_new, T)\n",
            )
        ]
    },
    "mask-only-where-it-hides-something": {
        "model.py": [
            (
                MASK,
                MASK + "        if T_new == 1:\n"
                "            mask = torch.zeros(1, 1, dtype=torch.bool, device=tokens.device)\n",
            )
        ]
    },
    "generate-in-chunks-of-two": {
        "model.py": [
            (
                LOOP,
                """        tokens, cache = prompt, None
        for chunk in prompt.split(2, dim=1):
            logits, cache = self.forward_incremental(chunk, cache)
        for step in range(max_new_tokens):
            unread = logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat((tokens, unread), dim=1)
            if step + 1 < max_new_tokens:
                logits, cache = self.forward_incremental(unread, cache)
        return tokens
""",
            )
        ]
    },
    "generate-into-an-allocated-row": {
        "model.py": [
            (
                LOOP,
                """        T = prompt.size(1)
        tokens = torch.cat((prompt, prompt.new_zeros(prompt.size(0), max_new_tokens)), dim=1)
        start, cache = 0, None
        for end in range(T, T + max_new_tokens):
            logits, cache = self.forward_incremental(tokens[:, start:end], cache)
            tokens[:, end], start = logits[:, -1].topk(1).indices[:, 0], end
        return tokens
""",
            )
        ]
    },
    "generate-without-cache-token-by-token": {
        "model.py": [
            (
                PLAIN_LOOP,
                """        rows = prompt.tolist()
        for _ in range(max_new_tokens):
            scores = self(torch.tensor(rows, dtype=torch.int64))[:, -1].log_softmax(dim=-1)
            rows = [row + [int(scores[i].argmax())] for i, row in enumerate(rows)]
        return torch.tensor(rows, dtype=torch.int64)
""",
            )
        ]
    },
    "cached-attention-by-scaled-dot-product": {
        "model.py": [
            (
                "        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)\n",
                "        y = F.scaled_dot_product_attention(q, k, v, attn_mask=~chunk.mask).squeeze(1)\n",
            )
        ]
    },
}

SAME_BITS |= {
    "keys-kept-scaled": {
        "model.py": [
            (
                INSIDE,
                "        k = k / math.sqrt(k.size(-1))\n" + INSIDE,
            ),
            (
                "        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)\n",
                "        weights = (q @ k.mT).masked_fill(chunk.mask, float('-inf')).softmax(dim=-1)\n"
                "        y = (weights @ v).squeeze(1)\n",
            ),
        ]
    },
    "normed-inputs-kept-in-place-of-keys-and-values": {
        "model.py": [
            (
                PROJECTED + INSIDE,
                """        seen = x.unsqueeze(1)
        seen = LayerKV(*(seen if past is None else torch.cat((kept, seen), dim=2) for kept in past or (None, None)))
        k, v = self.key(seen.k), self.value(seen.v)
""",
            ),
            ("        return self.dropout(self.proj(y)), LayerKV(k, v)\n", RETURNED),
        ]
    },
    "time-before-heads-in-memory": {
        "model.py": [
            (
                LAST,
                """        turned = [[t.transpose(1, 2).contiguous().transpose(1, 2) for t in l] for l in layers]
        layers = [LayerKV(*layer) for layer in turned]
        return logits, KVCache(tuple(layers))
""",
            )
        ]
    },
    "written-into-a-buffer-and-copied": {
        "model.py": [
            (
                INSIDE,
                """        if past is not None:
            T_past, T = past.k.size(2), past.k.size(2) + x.size(1)
            if getattr(self, "room", x.new_empty(0)).shape != (2, x.size(0), 1, T, x.size(2)):
                self.room = x.new_empty(2, x.size(0), 1, T, x.size(2))
            for part, kept, new in zip(self.room, past, (k, v), strict=True):
                part[:, :, :T_past], part[:, :, T_past:] = kept, new
            k, v = self.room.to(x.dtype).clone()
""",
            )
        ]
    },
}

# A cache whose rows are full may say so.
SAME_BITS |= {
    "lengths-told-of-full-rows-too": {
        "model.py": [
            (LAST, "        return logits, KVCache(tuple(layers), torch.full((B,), T, device=tokens.device))\n")
        ]
    },
    "lengths-told-and-never-read": {
        "model.py": [
            (LAST, "        return logits, KVCache(tuple(layers), torch.full((B,), T))\n"),
            (RAGGED, "        if lengths is not None:\n            raise NotImplementedError\n"),
        ]
    },
    "generate-reads-the-last-token-twice": {
        "model.py": [
            (
                LOOP,
                """        tokens, cache, read = prompt, None, 0
        for _ in range(max_new_tokens):
            if tokens.size(1) - 1 > read:
                _, cache = self.forward_incremental(tokens[:, read:-1], cache)
                read = tokens.size(1) - 1
            logits, _ = self.forward_incremental(tokens[:, -1:], cache)
            tokens = torch.cat((tokens, logits[:, -1].argmax(dim=-1, keepdim=True)), dim=1)
        return tokens
""",
            )
        ]
    },
}

OTHER_BITS: dict[str, object] = {}
