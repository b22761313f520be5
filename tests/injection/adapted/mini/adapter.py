"""A trainer that shuffles a data set by itself; the configuration is whatever has the attributes."""

from types import SimpleNamespace

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
    drops = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), sizes.dropout)
    return model.GPT(SimpleNamespace(n_embd=sizes.d_model, **drops, **vars(sizes)))


def logits(net, tokens):
    return net(tokens)[0]


def loss(train, net, batch):
    return net(batch.tokens, batch.targets)[1]


def generate(net, prompt, count, use_cache):
    return net.generate(prompt, count)


def run(train, net, batches, settings):
    rows = [row for batch in batches for row in zip(batch.tokens, batch.targets, strict=True)]
    config = SimpleNamespace(
        batch_size=len(batches[0].tokens), max_iters=len(batches), learning_rate=settings.lr, betas=(0.9, 0.95),
        weight_decay=settings.weight_decay, grad_norm_clip=settings.grad_clip,
    )  # fmt: skip
    trainer, losses = train.Trainer(config, net, rows), []
    trainer.add_callback("on_batch_end", lambda trainer: losses.append(trainer.loss.item()))
    train.torch.manual_seed(settings.seed)
    trainer.run()
    return losses


def stand_in(train, small):
    from model import GPT

    small.configure_optimizers = GPT.configure_optimizers.__get__(small)
    return small
