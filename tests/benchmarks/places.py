"""Which items a change of the reference may be charged to, by where it stands.

A place is the qualified name of a function or class; the longest one that is listed decides. Where one function serves
several items, a word on a changed line tells them apart. What no item asks, but a follow-up does, names that follow-up;
what is behind both names both, and is asked for the follow-up where no item sees it.
"""

from collections.abc import Mapping
from typing import Final

TRUNK: Final = "masking position projection"  # what computes the logits of all three, and is called after none of them

PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "model.py": {
        "GPTConfig": "projection",
        "KVCache": "kv-cache ragged-cache",
        "Chunk": "kv-cache ragged-cache",
        "causal_mask": "masking kv-cache",
        "attend": "masking kv-cache numerical-stability",
        "in_order": "ragged-cache",
        "SimpleSelfAttention.__init__": "projection",
        "SimpleSelfAttention.forward": "masking projection",
        "SimpleSelfAttention.forward_incremental": "kv-cache ragged-cache",
        "other_positions": "position-schemes",
        "other_attention": "position-schemes multi-head",
        "MLP": TRUNK,
        "Block.__init__": f"{TRUNK} multi-head position-schemes",
        "Block.forward": TRUNK,
        "Block.forward_incremental": "kv-cache",
        "GPT.__init__": f"{TRUNK} classifier multi-head position-schemes",
        "GPT._init_weights": "projection",
        "GPT._build_classifier": "classifier",
        "GPT._check_length": "projection kv-cache",
        "GPT.embed": "position",
        "GPT.forward": TRUNK,
        "GPT._classify": "projection classifier",
        "GPT.forward_incremental": "kv-cache ragged-cache",
        "GPT._read": "kv-cache ragged-cache",
        "GPT._forward_ragged": "ragged-cache",
        "GPT.generate": "kv-cache",
        "GPT._generate_incrementally": "kv-cache",
    },
    "followups.py": {
        "build_attention": "position-schemes multi-head",
        "build_positions": "position-schemes",
        "MultiHeadSelfAttention": "multi-head position-schemes ragged-cache",
        "RotarySelfAttention": "position-schemes",
        "BiasedSelfAttention": "position-schemes",
        "rotate": "position-schemes",
        "wavelengths": "position-schemes",
        "alibi_slopes": "position-schemes",
        "SinusoidalPositions": "position-schemes",
        "NoPositions": "position-schemes",
        "lay_out_rows": "ragged-cache numerical-stability",
    },
    "train.py": {
        "": "training-step",
        "TrainConfig": "training-step",
        "seed_everything": "training-step",
        "make_batch": "training-step classifier",
        "make_optimizer": "training-step",
        "learning_rate": "training-step",
        "language_model_loss": "training-step classifier",
        "classifier_loss": "classifier",
        "class_accuracy": "classifier",
        "loss_fn": "training-step classifier",
        "constant_weight": "loss-weighting",
        "warmup_weight": "loss-weighting",
        "uncertainty_weighting": "loss-weighting",
        "gradient_norm_weight": "loss-weighting",
        "train_step": "training-step classifier",
        "train": "training-step",
        "evaluate": "classifier",
        "main": "",  # a demonstration, of which the contract says nothing
    },
}  # fmt: skip

# By file and place: what a changed line has in it, and what it may be charged to then; the first that fits.
WORDS: Final[Mapping[tuple[str, str], tuple[tuple[str, str], ...]]] = {
    ("model.py", "GPT.__init__"): (
        ("class_head", "classifier projection"),  # a model without classes has no such parameter
        ("position_embedding", "position projection position-schemes"),
        ("is_learned", "position projection position-schemes"),
        ("n_head", "projection multi-head"),
        ("lm_head", "projection"),
    ),
    ("model.py", "GPT.forward"): (
        ("causal_mask", "masking"),
        ("self.embed", "position"),
        ("classify", "classifier"),
        ("lm_head", "projection"),
        ("_check_length", "projection"),
    ),
    ("model.py", "GPT.forward_incremental"): (("Chunk(", "kv-cache ragged-cache position-schemes"),),
    # What starts the demonstration, which belongs to it.
    ("train.py", ""): (("__name__", ""), ("set_num_threads", "")),
    ("train.py", "make_batch"): (("labels", "training-step classifier"), ("", "training-step")),
    ("train.py", "train_step"): (("class", "classifier training-step"), ("", "training-step")),
}  # fmt: skip


def items_of(file: str, place: str, changed: str) -> frozenset[str]:
    """The items and follow-ups that a change of these lines may be charged to. Raises KeyError for an unknown place."""
    listed = PLACES[file]
    known = place
    while known not in listed and known:
        known = known.rpartition(".")[0]
    if known not in listed or (place and not known):
        raise KeyError(f"{file}: {place or 'the module itself'}")
    words = WORDS.get((file, known), ())
    return frozenset(next((names for word, names in words if word in changed), listed[known]).split())
