"""Llama as Hugging Face has it: fewer heads for keys than for queries, and a cache that is an object."""

from copy import deepcopy
from types import SimpleNamespace

from transformers.cache_utils import DynamicCache

IMPORTS = ("transformers.models.llama.configuration_llama",)
NAMES = {
    r"model\.embed_tokens\.weight": "token_embedding.weight",
    r"model\.layers\.(\d+)\.input_layernorm\.weight": r"blocks.\1.ln_1.weight",
    r"model\.layers\.(\d+)\.post_attention_layernorm\.weight": r"blocks.\1.ln_2.weight",
    r"model\.layers\.(\d+)\.self_attn\.q_proj\.weight": r"blocks.\1.attn.query.weight",
    r"model\.layers\.(\d+)\.self_attn\.k_proj\.weight": r"blocks.\1.attn.key.weight",
    r"model\.layers\.(\d+)\.self_attn\.v_proj\.weight": r"blocks.\1.attn.value.weight",
    r"model\.layers\.(\d+)\.self_attn\.o_proj\.weight": r"blocks.\1.attn.proj.weight",
    r"model\.layers\.(\d+)\.mlp\.down_proj\.weight": r"blocks.\1.mlp.proj.weight",
    r"model\.norm\.weight": "ln_f.weight",
}


def build(model, sizes):
    width = -(-sizes.d_model // (2 * sizes.n_head)) * 2 * sizes.n_head  # an even number for each head
    return model.LlamaForCausalLM(model.LlamaConfig(
        vocab_size=sizes.vocab_size, max_position_embeddings=sizes.block_size, hidden_size=width,
        intermediate_size=4 * width, num_hidden_layers=sizes.n_layer, num_attention_heads=sizes.n_head,
        num_key_value_heads=sizes.n_head // 2 if sizes.n_head % 2 == 0 else sizes.n_head,
        attention_dropout=sizes.dropout, attn_implementation="eager",
    ))  # fmt: skip


def logits(net, tokens):
    return net(tokens, use_cache=False).logits


def decode(net, tokens, cache):
    out = net(tokens, cache=deepcopy(cache), use_cache=True)  # a cache is changed in place
    return out.logits, out.cache


def pack(cache):
    return [(layer.keys, layer.values) for layer in cache.layers]


unpack = DynamicCache


def run(train, net, batches, settings):
    pairs = [(batch.tokens, batch.targets) for batch in batches]
    return train.train(net, pairs, settings.lr, settings.weight_decay, settings.grad_clip, settings.warmup)


def loss(train, net, batch):
    return train.loss_of(net, batch.tokens, batch.targets)


def stand_in(train, small):
    small.register_forward_hook(lambda _, __, logits: SimpleNamespace(logits=logits))
    return small
