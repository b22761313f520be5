"""A model that keeps its cache in itself, and one map for more queries than keys and values; nothing trains it."""

import torch

QKV = "query", "key", "value"
NAMES = {
    r"tok_embeddings\.weight": "token_embedding.weight",
    r"layers\.(\d+)\.attention_norm\.weight": r"blocks.\1.ln_1.weight",
    r"layers\.(\d+)\.ffn_norm\.weight": r"blocks.\1.ln_2.weight",
    r"layers\.(\d+)\.attention\.wqkv\.weight": tuple(rf"blocks.\1.attn.{part}.weight" for part in QKV),
    r"layers\.(\d+)\.attention\.wo\.weight": r"blocks.\1.attn.proj.weight",
    r"layers\.(\d+)\.feed_forward\.w2\.weight": r"blocks.\1.mlp.proj.weight",
    r"norm\.weight": "ln_f.weight",
    r"output\.weight": "lm_head.weight",
}


def shares(net, name):
    return net.config.n_head, net.config.n_local_heads, net.config.n_local_heads


def build(model, sizes):
    width = -(-sizes.d_model // (2 * sizes.n_head)) * 2 * sizes.n_head  # an even number for each head
    heads, each = sizes.n_head // (1 + (sizes.n_head % 2 == 0)), width // sizes.n_head
    fields = sizes.block_size, sizes.vocab_size, sizes.n_layer, sizes.n_head, width, 4 * width, heads, each
    return model.Transformer(model.ModelArgs(*fields))


def logits(net, tokens):
    net.setup_caches(len(tokens), tokens.size(1))
    for layer in net.layers:
        layer.attention.kv_cache = None
    return net(tokens, torch.arange(tokens.size(1)))


def decode(net, tokens, cache):
    net.setup_caches(len(tokens), net.config.block_size)
    past = cache[0][0].size(2) if cache else 0
    kept = [layer.attention.kv_cache.to(net.norm.weight.dtype) for layer in net.layers]
    for buffers, (keys, values) in zip(kept, cache or [], strict=False):
        buffers.update(torch.arange(past), keys, values)
    seen = past + tokens.size(1)
    return net(tokens, torch.arange(past, seen)), [(c.k_cache[:, :, :seen], c.v_cache[:, :, :seen]) for c in kept]


def pack(cache):
    return cache


unpack = pack


def generate(net, prompt, count, use_cache):
    from generate import generate

    return torch.cat([generate(net, row, count, top_k=1) for row in prompt])
