"""What the contract of an exercise fixes by name."""

from mutations.roles.definitions import Definition

MODEL, TRAIN = "model.py", "train.py"
CONTRACT = {
    MODEL: frozenset(
        {
            "GPTConfig",
            "SimpleSelfAttention",
            "LayerKV",
            "KVCache",
            "GPT",
            "GPT.forward",
            "GPT.forward_incremental",
            "GPT.generate",
        }
    ),
    TRAIN: frozenset(
        {
            "Batch",
            "TrainConfig",
            "seed_everything",
            "make_batch",
            "make_optimizer",
            "learning_rate",
            "loss_fn",
            "train_step",
            "train",
            "evaluate",
            "constant_weight",
            "warmup_weight",
            "uncertainty_weighting",
            "gradient_norm_weight",
        }
    ),
}


def is_needed(definition: Definition) -> bool:
    """Whether a plain model cannot do without a function or class: the contract or Python itself knows its name."""
    return definition.name in CONTRACT.get(definition.source.file, ()) or definition.is_called_by_python
