"""Model and training were one script; its loop makes one step of several small batches."""

QKV = "query", "key", "value"
NAMES = {
    r"transformer\.wte\.weight": "token_embedding.weight",
    r"transformer\.wpe\.weight": "position_embedding.weight",
    r"transformer\.h\.(\d+)\.(ln_\d\.\w+)": r"blocks.\1.\2",
    r"transformer\.h\.(\d+)\.attn\.c_attn\.(\w+)": tuple(
        rf"blocks.\1.attn.{part}.\2" for part in ("query", "key", "value")
    ),
    r"transformer\.h\.(\d+)\.attn\.c_proj\.(\w+)": r"blocks.\1.attn.proj.\2",
    r"transformer\.h\.(\d+)\.mlp\.c_(fc|proj)\.(\w+)": r"blocks.\1.mlp.\2.\3",
    r"transformer\.(ln_f\.\w+)": r"\1",
}


def build(model, sizes):
    return model.GPT(
        model.GPTConfig(
            vocab_size=sizes.vocab_size,
            block_size=sizes.block_size,
            n_layer=sizes.n_layer,
            n_head=sizes.n_head,
            n_embd=sizes.d_model,
        )
    )


def logits(net, tokens):
    return net(tokens)[0]


def loss(train, net, batch):
    return net(batch.tokens, batch.targets)[1]


def run(train, net, batches, settings):
    return train.fit(net, [(batch.tokens, batch.targets) for batch in batches], 2, settings.lr)


def stand_in(train, small):
    from model import GPT

    small.configure_optimizers = GPT.configure_optimizers.__get__(small)
    return small
