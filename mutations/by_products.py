"""Every bug that comes with a refactoring, in the order in which they are shown."""

from typing import Final

from mutations.by_product import ByProduct, How
from mutations.operator import Category, Example, Operator
from mutations.operators.attention import query_and_key_swapped, scale_missing
from mutations.operators.classifier import class_weight_left_out
from mutations.operators.clipping import clip_after_step
from mutations.operators.kv_cache import cached_tokens_come_last
from mutations.operators.masking import mask_after_softmax, mask_peeks_one_ahead, masked_scores_become_zero
from mutations.operators.normalisation import final_norm_skipped
from mutations.operators.position import position_sum_discarded, positions_restart_with_each_chunk
from mutations.operators.projection import projection_to_model_width
from mutations.operators.training_loop import gradients_accumulate, optimizer_never_steps

ATTENTION = """\
class Attention(nn.Module):
    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        scores = scores.masked_fill(self.mask, float("-inf"))
        weights = scores.softmax(dim=-1)
        return weights @ v
"""

UPDATE = """\
def update(model, optimizer, batch, config):
    optimizer.zero_grad()
    loss = loss_fn(model, batch)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
    optimizer.step()
    return loss.item()
"""


_ALL: Final = (
    ByProduct(
        id="mask-diagonal-slips-among-steps",
        base=mask_peeks_one_ahead.OPERATOR,
        how=How.STEPS,
        title="A causal mask is built in steps with names, and its diagonal slips by one.",
        example=Example(
            """\
def causal_mask(T, device):
    return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)
""",
            """\
def causal_mask(T, device):
    square = torch.ones(T, T, dtype=torch.bool, device=device)
    return square.triu(diagonal=2)  # (T, T)
""",
        ),
    ),
    ByProduct(
        id="fill-of-the-mask-lost-in-a-helper",
        base=masked_scores_become_zero.OPERATOR,
        how=How.HELPER,
        title="The weighing of keys moves into a function of its own, and hidden scores become zero there.",
        helper="weigh",
        docstring="How much each query takes from each key.",
        example=Example(
            ATTENTION,
            """\
class Attention(nn.Module):
    def forward(self, x):
        v, weights = self._weigh(x)
        return weights @ v

    def _weigh(self, h):
        queries, keys, values = self.q(h), self.k(h), self.v(h)
        affinity = queries @ keys.transpose(-2, -1) / math.sqrt(queries.size(-1))
        affinity = affinity.masked_fill(self.mask, 0.0)
        shares = affinity.softmax(dim=-1)
        return values, shares
""",
        ),
    ),
    ByProduct(
        id="mask-after-softmax-in-a-helper",
        base=mask_after_softmax.OPERATOR,
        how=How.HELPER,
        title="The weighing of keys moves into a function of its own, and the mask comes after the softmax there.",
        helper="attention_weights",
        docstring="How much each query takes from each key.",
        example=Example(
            ATTENTION,
            """\
class Attention(nn.Module):
    def forward(self, x):
        v, weights = self._attention_weights(x)
        return weights @ v

    def _attention_weights(self, h):
        queries, keys, values = self.q(h), self.k(h), self.v(h)
        affinity = queries @ keys.transpose(-2, -1) / math.sqrt(queries.size(-1))
        shares = affinity.softmax(dim=-1)
        shares = shares.masked_fill(self.mask, 0.0)
        return values, shares
""",
        ),
    ),
    ByProduct(
        id="scale-lost-in-a-helper",
        base=scale_missing.OPERATOR,
        how=How.HELPER,
        title="The scoring of keys moves into a function of its own, and the scale stays behind.",
        helper="compare",
        docstring="How well queries and keys match.",
        example=Example(
            ATTENTION,
            """\
class Attention(nn.Module):
    def forward(self, x):
        v, weights = self._compare(x)
        return weights @ v

    def _compare(self, h):
        queries, keys, values = self.q(h), self.k(h), self.v(h)
        affinity = queries @ keys.transpose(-2, -1)
        affinity = affinity.masked_fill(self.mask, float("-inf"))
        shares = affinity.softmax(dim=-1)
        return values, shares
""",
        ),
    ),
    ByProduct(
        id="roles-mixed-up-among-steps",
        base=query_and_key_swapped.OPERATOR,
        how=How.STEPS,
        title="Attention is written in steps with names, and two of the names change places.",
        example=Example(
            ATTENTION,
            """\
class Attention(nn.Module):
    def forward(self, x):
        queries, keys, values = self.q(x), self.k(x), self.v(x)
        turned = queries.transpose(-2, -1)
        products = keys @ turned
        sqrt_out = math.sqrt(queries.size(-1))
        affinity = products / sqrt_out
        affinity = affinity.masked_fill(self.mask, float("-inf"))
        shares = affinity.softmax(dim=-1)
        return shares @ values
""",
        ),
    ),
    ByProduct(
        id="position-sum-lost-in-a-helper",
        base=position_sum_discarded.OPERATOR,
        how=How.HELPER,
        title="The sum of the embeddings moves into a function of its own, and its result is not kept there.",
        helper="place",
        docstring="Tokens with what says where they stand.",
        example=Example(
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def embed(self, tokens, places):
        x = self.tok(tokens)
        x = x + self.pos(places)  # (T, C)
        return self.drop(x)
""",
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def embed(self, tokens, places):
        x = self._place(tokens, places)
        return self.drop(x)

    def _place(self, ids, places):
        h = self.tok(ids)
        h.add(self.pos(places))  # (T, C)
        return h
""",
        ),
    ),
    ByProduct(
        id="positions-start-at-zero-in-a-helper",
        base=positions_restart_with_each_chunk.OPERATOR,
        how=How.HELPER,
        title="The layout of a chunk moves into a function of its own, and its positions start at zero there.",
        helper="lay_out",
        docstring="What a chunk of tokens stands at, and looks at.",
        example=Example(
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens, past):
        T = past + tokens.size(1)
        self.check(past, T)
        places = torch.arange(past, T, device=tokens.device)
        x = self.tok(tokens) + self.pos(places)
        return self.blocks(x)
""",
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens, past):
        x = self._lay_out(tokens, past)
        return self.blocks(x)

    def _lay_out(self, ids, before):
        T = before + ids.size(1)
        self.check(before, T)
        places = torch.arange(ids.size(1), device=ids.device)
        h = self.tok(ids) + self.pos(places)
        return h
""",
        ),
    ),
    ByProduct(
        id="vocabulary-lost-in-a-helper",
        base=projection_to_model_width.OPERATOR,
        how=How.HELPER,
        title="The making of layers moves into a function of its own, and the size of the head is mixed up there.",
        helper="build_layers",
        docstring="Layers, in the order in which their weights are drawn.",
        example=Example(
            """\
class GPT(nn.Module):
    def __init__(self, config):
        C, V = config.width, config.vocab_size
        self.tok = nn.Embedding(V, C)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(C)
        self.head = nn.Linear(C, V, bias=False)
        self.start()
""",
            """\
class GPT(nn.Module):
    def __init__(self, config):
        C, V = config.width, config.vocab_size
        self._build_layers(config, C, V)
        self.start()

    def _build_layers(self, settings, C, V):
        self.tok = nn.Embedding(V, C)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(C)
        self.head = nn.Linear(C, C, bias=False)
""",
        ),
    ),
    ByProduct(
        id="step-lost-in-a-helper",
        base=optimizer_never_steps.OPERATOR,
        how=How.HELPER,
        title="The middle of an update moves into a function of its own, and the step of the optimizer stays behind.",
        helper="descend",
        docstring="What an update does with the loss of a batch.",
        example=Example(
            UPDATE,
            """\
def descend(model, batch, settings):
    total = loss_fn(model, batch)
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
    return total


def update(model, optimizer, batch, config):
    optimizer.zero_grad()
    loss = descend(model, batch, config)
    return loss.item()
""",
        ),
    ),
    ByProduct(
        id="old-gradients-kept-in-a-helper",
        base=gradients_accumulate.OPERATOR,
        how=How.HELPER,
        title="The start of an update moves into a function of its own, and the clearing of gradients stays behind.",
        helper="descend",
        docstring="What an update does with the loss of a batch.",
        example=Example(
            """\
def update(model, optimizer, batch, config):
    loss = loss_fn(model, batch)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.grad_clip)
    optimizer.step()
    return loss.item()
""",
            """\
def descend(model, batch, settings):
    total = loss_fn(model, batch)
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
    return total


def update(model, optimizer, batch, config):
    loss = descend(model, batch, config)
    optimizer.step()
    return loss.item()
""",
        ),
    ),
    ByProduct(
        id="clip-comes-late-in-a-helper",
        base=clip_after_step.OPERATOR,
        how=How.HELPER,
        title="The end of an update moves into a function of its own, and clipping and step change places there.",
        helper="descend",
        docstring="What an update does with the loss of a batch.",
        example=Example(
            UPDATE,
            """\
def descend(model, updater, batch, settings):
    total = loss_fn(model, batch)
    total.backward()
    updater.step()
    nn.utils.clip_grad_norm_(model.parameters(), settings.grad_clip)
    return total


def update(model, optimizer, batch, config):
    optimizer.zero_grad()
    loss = descend(model, optimizer, batch, config)
    return loss.item()
""",
        ),
    ),
    ByProduct(
        id="final-norm-lost-in-a-helper",
        base=final_norm_skipped.OPERATOR,
        how=How.HELPER,
        title="The way through the blocks moves into a function of its own, and the last norm stays behind.",
        helper="run_blocks",
        docstring="What the blocks make of the tokens.",
        example=Example(
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.ln_f = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocab_size)

    def forward(self, tokens):
        x = self.tok(tokens)
        for block in self.blocks:
            x = block(x)
        x = self.ln_f(x)
        return self.head(x)
""",
            """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.ln_f = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocab_size)

    def forward(self, tokens):
        x = self._run_blocks(tokens)
        return self.head(x)

    def _run_blocks(self, ids):
        h = self.tok(ids)
        for block in self.blocks:
            h = block(h)
        return h
""",
        ),
    ),
    ByProduct(
        id="past-comes-last-in-a-helper",
        base=cached_tokens_come_last.OPERATOR,
        how=How.HELPER,
        title="The joining of keys and values moves into a function of its own, and what is new comes first there.",
        helper="grown",
        docstring="Keys and values with those that came before.",
        example=Example(
            """\
class Attention(nn.Module):
    def step(self, x, past):
        q = self.q(x)
        k, v = self.k(x), self.v(x)
        if past is not None:
            k = torch.cat((past.k, k), dim=2)
            v = torch.cat((past.v, v), dim=2)
        y = attend(q, k, v)
        return self.proj(y), LayerKV(k, v)
""",
            """\
class Attention(nn.Module):
    def step(self, x, past):
        k, v, y = self._grown(x, past)
        return self.proj(y), LayerKV(k, v)

    def _grown(self, h, before):
        queries = self.q(h)
        keys, values = self.k(h), self.v(h)
        if before is not None:
            keys = torch.cat((keys, before.k), dim=2)
            values = torch.cat((values, before.v), dim=2)
        mixed = attend(queries, keys, values)
        return keys, values, mixed
""",
        ),
    ),
    ByProduct(
        id="class-weight-lost-in-a-helper",
        base=class_weight_left_out.OPERATOR,
        how=How.HELPER,
        title="The sum of two losses moves into a function of its own, which is not handed their weight.",
        helper="combine",
        docstring="Losses, of which the first is the one to descend.",
        example=Example(
            """\
def loss_fn(model, batch, class_weight):
    check(class_weight)
    logits, class_logits = model(batch.tokens, classify=True)
    lm_loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
    class_loss = F.cross_entropy(class_logits.flatten(0, 1), batch.labels.flatten())
    return lm_loss + class_weight * class_loss, lm_loss, class_loss
""",
            """\
def combine(model, batch):
    scores, class_scores = model(batch.tokens, classify=True)
    text_loss = F.cross_entropy(scores.flatten(0, 1), batch.targets.flatten())
    label_loss = F.cross_entropy(class_scores.flatten(0, 1), batch.labels.flatten())
    return text_loss + label_loss, text_loss, label_loss


def loss_fn(model, batch, class_weight):
    check(class_weight)
    return combine(model, batch)
""",
        ),
    ),
)

BASES: Final = {each.id: each.base.id for each in _ALL}
"""The operator that plants the same bug without a refactoring, by the id of the one that comes with it."""

BY_PRODUCTS: Final[tuple[Operator, ...]] = tuple(
    sorted((each.operator() for each in _ALL), key=lambda each: (list(Category).index(each.category), each.id))
)
"""They are no part of `OPERATORS`: which bugs a seed draws among those does not change."""
