"""All checks, in the order in which they are asked."""

from typing import Final

from grader.checks.cache import (
    cache_grows,
    cache_is_private,
    cache_is_read,
    cache_limits,
    cache_travels,
    cache_unchanged,
    cached_equals_full,
    generate_is_greedy,
)
from grader.checks.check import Check
from grader.checks.classifier import (
    class_logits_shape,
    combined_loss,
    evaluate_is_honest,
    gradients_reach,
    joint_training_step,
    learns_any_map,
    learns_parity,
    lm_untouched,
)
from grader.checks.heads import cached_heads_equal_full, heads_are_causal, heads_are_separate
from grader.checks.masking import future_is_hidden, gradient_is_causal, large_scores, past_is_seen
from grader.checks.position import order_matters, row_reach, same_token
from grader.checks.projection import (
    config_defaults,
    contract_errors,
    forward_runs,
    logits_width,
    parameter_shapes,
    same_init,
)
from grader.checks.training import (
    batches_are_as_specified,
    learning_rate_schedule,
    parameters_move,
    step_is_exact,
    train_uses_every_batch,
    training_repeats,
)

CHECKS: Final[tuple[Check, ...]] = (
    forward_runs.CHECK,
    contract_errors.CHECK,
    config_defaults.CHECK,
    logits_width.CHECK,
    parameter_shapes.CHECK,
    same_init.CHECK,
    future_is_hidden.CHECK,
    past_is_seen.CHECK,
    gradient_is_causal.CHECK,
    large_scores.CHECK,
    heads_are_separate.CHECK,
    heads_are_causal.CHECK,
    same_token.CHECK,
    row_reach.CHECK,
    order_matters.CHECK,
    parameters_move.CHECK,
    step_is_exact.CHECK,
    training_repeats.CHECK,
    learning_rate_schedule.CHECK,
    batches_are_as_specified.CHECK,
    train_uses_every_batch.CHECK,
    cached_equals_full.CHECK,
    cache_travels.CHECK,
    cache_is_read.CHECK,
    cache_grows.CHECK,
    cache_unchanged.CHECK,
    cache_is_private.CHECK,
    cache_limits.CHECK,
    generate_is_greedy.CHECK,
    cached_heads_equal_full.CHECK,
    class_logits_shape.CHECK,
    lm_untouched.CHECK,
    combined_loss.CHECK,
    gradients_reach.CHECK,
    learns_parity.CHECK,
    learns_any_map.CHECK,
    joint_training_step.CHECK,
    evaluate_is_honest.CHECK,
)

BY_ID: Final = {check.id: check for check in CHECKS}
