"""GPT-2 as Hugging Face has it: maps that are stored the other way round, and a cache that is an object."""

from copy import deepcopy
from types import SimpleNamespace

from transformers.cache_utils import DynamicCache

IMPORTS = ("transformers.models.gpt2.configuration_gpt2",)
QKV = "query", "key", "value"
NAMES = {
    r"transformer\.wte\.weight": "token_embedding.weight",
    r"transformer\.wpe\.weight": "position_embedding.weight",
    r"transformer\.h\.(\d+)\.(ln_\d\.\w+)": r"blocks.\1.\2",
    r"transformer\.h\.(\d+)\.attn\.c_attn\.(\w+)": tuple(rf"blocks.\1.attn.{part}.\2" for part in QKV),
    r"transformer\.h\.(\d+)\.attn\.c_proj\.(\w+)": r"blocks.\1.attn.proj.\2",
    r"transformer\.h\.(\d+)\.mlp\.c_(fc|proj)\.(\w+)": r"blocks.\1.mlp.\2.\3",
    r"transformer\.(ln_f\.\w+)": r"\1",
}
TRANSPOSED = (r"transformer\.h\.\d+\.(attn|mlp)\.c_\w+\.weight",)


def build(model, sizes):
    config = model.GPT2Config(
        vocab_size=sizes.vocab_size, n_positions=sizes.block_size, n_embd=sizes.d_model, n_layer=sizes.n_layer,
        n_head=sizes.n_head, embd_pdrop=sizes.dropout, resid_pdrop=sizes.dropout, attn_pdrop=sizes.dropout,
        attn_implementation="eager", bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return model.GPT2LMHeadModel(config)


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
