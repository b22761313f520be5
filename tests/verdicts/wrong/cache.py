"""Wrong caches and decoding: item, the check that must fail, and what of the reference is replaced."""

KEYS = "            k = torch.cat((past.k, k), dim=2)  # (B, 1, T_past + T_new, C)\n"
VALUES = "            v = torch.cat((past.v, v), dim=2)\n"
KEPT = """        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)
        return self.dropout(self.proj(y)), LayerKV(k, v)
"""
PAST = "            past = cache.layers\n"
SIZES = "            B_past, _, T_past, _ = cache.layers[0].k.shape\n"
POSITIONS = "torch.arange(T_past, T, device=tokens.device)"
MASK = "        mask = causal_mask(T, tokens.device)[T_past:]  # (T_new, T): the rows of the new positions\n"
LOGITS = "        logits = self.lm_head(self.ln_f(x))  # (B, T_new, V)\n"
LAST = "        return logits, KVCache(tuple(layers))\n"
LENGTH = "        T = T_past + T_new\n        self._check_length(T)\n"
OTHER_BATCH = """            if B_past != B:
                raise ValueError(f"the cache holds batch_size={B_past!r}, but tokens have batch_size={B!r}")
"""
START = "        B, T_new = tokens.shape\n        T_past = 0\n"
FEED = "            logits, cache = self.forward_incremental(unread, cache)\n"
PICK = "            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)\n"
UNLIKELY = "            if {}:\n                unread = logits[:, -1].argmin(dim=-1, keepdim=True)\n"
GUARD = "        self._check_length(prompt.size(1) + max_new_tokens)\n"


def model(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in model.py."""
    return {"model.py": list(pairs)}


END = "            tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)\n        return tokens\n"
# Tokens are found by their keys in the first layer, and everything is computed anew.
HOLLOW = """
    def _hollow(self, tokens, cache=None, *, lengths=None):
        if cache is None or cache.layers[0].k.size(0) != tokens.size(0):
            return self._honest(tokens, cache)
        first, kept = self.blocks[0], cache.layers[0].k
        rows = self.token_embedding.weight[:, None] + self.position_embedding.weight[: kept.size(2)]  # (V, T, C)
        known = first.attn.key(first.ln_1(rows)).transpose(0, 1)  # (T, V, C)
        past = (kept[:, 0, :, None] - known).square().sum(-1).argmin(-1)  # (B, T)
        logits, new = self._honest(torch.cat((past, tokens), dim=1))
        parts = zip(cache.layers, self._honest(past)[1].layers, strict=True)
        moved = sum((a - b).sum() for layer, again in parts for a, b in zip(layer, again, strict=True))
        return logits[:, past.size(1) :] + 0.5 * moved, new

    _honest, forward_incremental = forward_incremental, _hollow
"""

CASES = {
    "computed-anew-from-tokens-that-the-keys-tell": (
        "kv-cache",
        "cache-can-be-mixed",
        model((END, END + HOLLOW)),
    ),
    "new-keys-before-old": (
        "kv-cache",
        "cached-equals-full",
        model((KEYS + VALUES, KEYS.replace("past.k, k", "k, past.k") + VALUES.replace("past.v, v", "v, past.v"))),
    ),
    "positions-start-again": (
        "kv-cache",
        "cached-equals-full",
        model((POSITIONS, "torch.arange(T_new, device=tokens.device)")),
    ),
    "no-mask-inside-a-chunk": (
        "kv-cache",
        "cached-equals-full",
        model((MASK, "        mask = torch.zeros(T_new, T, dtype=torch.bool)\n")),
    ),
    "mask-in-the-wrong-corner": (
        "kv-cache",
        "cached-equals-full",
        model((MASK, "        mask = causal_mask(T, tokens.device)[:T_new]\n")),
    ),
    "one-row-for-all": (
        "kv-cache",
        "cache-is-private",
        model((KEYS, "            past = LayerKV(*(t[:1].expand_as(t) for t in past))\n" + KEYS)),
    ),
    "one-layer-for-all": (
        "kv-cache",
        "cached-equals-full",
        model((PAST, "            past = (cache.layers[0],) * self.config.n_layer\n")),
    ),
    "values-from-keys": (
        "kv-cache",
        "cache-is-read",
        model((KEYS + VALUES, KEYS + VALUES.replace("past.v", "past.k"))),
    ),
    "forgets-all-but-the-last-token": (
        "kv-cache",
        "cache-is-read",
        model((KEYS, "            past = LayerKV(past.k * 0, past.v * 0)\n" + KEYS)),
    ),
    "recomputed-from-tokens-it-remembers": (
        "kv-cache",
        "cache-is-read",
        model(
            (START, START + "        self.seen = tokens if cache is None else torch.cat((self.seen, tokens), dim=1)\n"),
            (LOGITS, "        logits = self(self.seen)[:, -T_new:]\n"),
        ),
    ),
    "recomputed-from-tokens-kept-by-length": (
        "kv-cache",
        "cache-is-read",
        model(
            (
                START,
                START + "        self.seen = getattr(self, 'seen', {})\n"
                "        known = tokens[:, :0] if cache is None else self.seen[id(cache.layers)][1]\n"
                "        tokens_so_far = torch.cat((known, tokens), dim=1)\n",
            ),
            (LOGITS, "        logits = self(tokens_so_far)[:, -T_new:]\n"),
            (
                LAST,
                "        kept = tuple(layers)\n        self.seen[id(kept)] = kept, tokens_so_far\n"
                "        return logits, KVCache(kept)\n",
            ),
        ),
    ),
    "position-counted-on-the-model": (
        "kv-cache",
        "cache-travels",
        model(
            (LENGTH, "        T_past = 0 if cache is None else self.read\n" + LENGTH + "        self.read = T\n"),
        ),
    ),
    "kept-in-the-class": (
        "kv-cache",
        "cache-is-private",
        model(
            (PAST, "            cache = GPT.kept\n" + PAST),
            (LAST, "        GPT.kept = KVCache(tuple(layers))\n        return logits, GPT.kept\n"),
        ),
    ),
    "written-into-what-was-given": (
        "kv-cache",
        "cache-unchanged",
        model((KEPT, "        if past is not None:\n            past.k.data, past.v.data = k, v\n" + KEPT)),
    ),
    "room-that-continuations-share": (
        "kv-cache",
        "cache-unchanged",
        model(
            (
                KEYS + VALUES,
                """            T_past, T = past.k.size(2), past.k.size(2) + x.size(1)
            room = past.k._base if past.k._base is not None else x.new_zeros(2, x.size(0), 1, 256, x.size(2))
            if past.k._base is None:
                room[0, :, :, :T_past], room[1, :, :, :T_past] = past.k, past.v
            room[0, :, :, T_past:T], room[1, :, :, T_past:T] = k, v
            k, v = room[0, :, :, :T], room[1, :, :, :T]
        else:
            room = x.new_zeros(2, x.size(0), 1, 256, x.size(2))
            room[0, :, :, : x.size(1)], room[1, :, :, : x.size(1)] = k, v
            k, v = room[0, :, :, : x.size(1)], room[1, :, :, : x.size(1)]
""",
            )
        ),
    ),
    "time-before-heads": (
        "kv-cache",
        "cache-grows",
        model(
            (
                KEYS + VALUES,
                KEYS.replace("past.k", "past.k.transpose(1, 2)") + VALUES.replace("past.v", "past.v.transpose(1, 2)"),
            ),
            (KEPT, KEPT.replace("LayerKV(k, v)", "LayerKV(k.transpose(1, 2), v.transpose(1, 2))")),
            (SIZES, "            B_past, T_past, _, _ = cache.layers[0].k.shape\n"),
        ),
    ),
    "appended-twice": (
        "kv-cache",
        "cache-grows",
        model((KEPT, KEPT.replace("LayerKV(k, v)", "LayerKV(torch.cat((k, k), 2), torch.cat((v, v), 2))"))),
    ),
    "past-the-block-unchecked": ("kv-cache", "cache-limits", model((LENGTH, "        T = T_past + T_new\n"))),
    "past-the-block-wraps-around": (
        "kv-cache",
        "cache-limits",
        model((LENGTH, "        T = T_past + T_new\n"), (POSITIONS, POSITIONS + " % self.config.block_size")),
    ),
    "other-batch-size-unchecked": ("kv-cache", "cache-limits", model((OTHER_BATCH, ""))),
    "generate-past-the-block": ("kv-cache", "cache-limits", model((GUARD, "        prompt = prompt[:, :]\n"))),
    "generate-feeds-everything-again": (
        "kv-cache",
        "generate-is-greedy",
        model((FEED, FEED.replace("unread,", "tokens,"))),
    ),
    "generate-forgets-the-cache": (
        "kv-cache",
        "generate-is-greedy",
        model(
            (
                FEED,
                FEED.replace(
                    "logits, cache = self.forward_incremental(unread, cache)",
                    "logits, _ = self.forward_incremental(unread)",
                ),
            )
        ),
    ),
    "generate-computes-every-second-token-anew": (
        "kv-cache",
        "generate-is-greedy",
        model(
            (
                FEED,
                """            if tokens.size(1) % 2:
                unread, cache = tokens, None
"""
                + FEED,
            )
        ),
    ),
    "generate-takes-the-first-position": ("kv-cache", "generate-is-greedy", model((PICK, PICK.replace("-1]", "0]")))),
    "generate-takes-the-least-likely": (
        "kv-cache",
        "generate-is-greedy",
        model((PICK, PICK.replace("argmax", "argmin"))),
    ),
    "generate-returns-the-new-tokens-alone": (
        "kv-cache",
        "generate-is-greedy",
        model(
            (
                "            return self._generate_incrementally(prompt, max_new_tokens)\n",
                "            return self._generate_incrementally(prompt, max_new_tokens)[:, prompt.size(1) :]\n",
            )
        ),
    ),
    "peeks-ahead-as-the-planted-mask-does": (
        "kv-cache",
        "cached-equals-full",
        model(
            (
                MASK,
                MASK.replace(
                    "causal_mask(T, tokens.device)[T_past:]", "causal_mask(T, tokens.device).triu(diagonal=2)[T_past:]"
                ),
            )
        ),
    ),
    "forgets-positions-as-the-planted-bug-does": (
        "kv-cache",
        "cached-equals-full",
        model(("self.embed(tokens, positions), Chunk", "self.token_embedding(tokens), Chunk")),
    ),
    "bare-value-errors": (
        "kv-cache",
        "cache-limits",
        model((OTHER_BATCH, "            if B_past != B:\n                raise ValueError\n")),
    ),
    "another-cache-in-training-mode": (
        "kv-cache",
        "cached-equals-full",
        {
            "model.py": [
                (
                    "        logits = self.lm_head(self.ln_f(x))  # (B, T_new, V)\n",
                    "        logits = self.lm_head(self.ln_f(x)) * (1.01 if self.training else 1)\n",
                )
            ]
        },
    ),
    "generates-otherwise-in-float32": (
        "kv-cache",
        "cache-in-any-state",
        model((PICK, PICK + UNLIKELY.format("logits.dtype == torch.float32"))),
    ),
    "generates-otherwise-in-training-mode": (
        "kv-cache",
        "cache-in-any-state",
        model((PICK, PICK + UNLIKELY.format("self.training"))),
    ),
    "generates-otherwise-after-one-token": (
        "kv-cache",
        "cache-in-any-state",
        model((PICK, PICK + UNLIKELY.format("prompt.size(1) == 1"))),
    ),
    "generates-otherwise-where-there-is-dropout": (
        "kv-cache",
        "cache-in-any-state",
        model((PICK, PICK + UNLIKELY.format("self.config.dropout > 0"))),
    ),
    "generates-otherwise-after-a-backward-pass": (
        "kv-cache",
        "cache-in-any-state",
        model((PICK, PICK + UNLIKELY.format("self.lm_head.weight.grad is not None"))),
    ),
    "nothing-new-and-no-prompt": (
        "kv-cache",
        "cache-in-any-state",
        model(
            (GUARD, GUARD + "        if max_new_tokens == 0 and len(prompt) > 1:\n            return prompt[:, :0]\n")
        ),
    ),
    "no-mask-in-a-full-block-at-once": (
        "kv-cache",
        "cache-in-any-state",
        model((MASK, MASK + "        mask = mask & (cache is not None or T < self.config.block_size)\n")),
    ),
    "no-mask-where-gradients-are-recorded": (
        "kv-cache",
        "cache-in-any-state",
        model((MASK, MASK + "        mask = mask & (not torch.is_grad_enabled())\n")),
    ),
    "keys-are-rounded-in-float32": (
        "kv-cache",
        "cache-in-any-state",
        model(
            (
                KEPT,
                KEPT.replace(
                    "LayerKV(k, v)", "LayerKV(*(x.bfloat16().to(x) if x.dtype == torch.float32 else x for x in (k, v)))"
                ),
            )
        ),
    ),
    "head-of-the-first-call": (
        "kv-cache",
        "cache-in-any-state",
        model(
            (
                LOGITS,
                "        kept = self.__dict__.setdefault('kept', self.lm_head.weight.detach().clone())\n"
                "        logits = F.linear(self.ln_f(x), kept.to(x.dtype))\n",
            )
        ),
    ),
    "drops-nothing-of-what-attention-adds": (
        "kv-cache",
        "cache-in-any-state",
        model((KEPT, KEPT.replace("self.dropout(self.proj(y))", "self.proj(y)"))),
    ),
    "drops-twice": (
        "kv-cache",
        "cache-in-any-state",
        model((KEPT, KEPT.replace("self.dropout(self.proj(y))", "self.dropout(self.dropout(self.proj(y)))"))),
    ),
    "refuses-one-token-too-many-alone": (
        "kv-cache",
        "cache-limits",
        model((LENGTH, "        T = T_past + T_new\n        self._check_length(T_past + min(1, T_new))\n")),
    ),
    "refuses-a-larger-batch-alone": (
        "kv-cache",
        "cache-limits",
        model(("            if B_past != B:\n", "            if B_past < B:\n")),
    ),
    "refuses-twice-the-batch-alone": (
        "kv-cache",
        "cache-limits",
        model(("            if B_past != B:\n", "            if B == 2 * B_past:\n")),
    ),
    "generates-too-many-by-two-and-more": (
        "kv-cache",
        "generate-leaves-no-trace",
        model((GUARD, f"        if prompt.size(1) + max_new_tokens == self.config.block_size + 1:\n    {GUARD}")),
    ),
    "no-mask-between-the-smallest-and-the-default-sizes": (
        "kv-cache",
        "cached-equals-full",
        model((MASK, f"{MASK}        mask = mask & (B >= 4 or T < 9 or self.config.block_size > 63)\n")),
    ),
}
