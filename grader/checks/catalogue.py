"""All checks, in the order in which they are asked."""

from typing import Final

from grader.checks.attention import attention_alone, attention_roles, prefix_stands_alone
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
    head_leaves_the_stream,
    joint_training_step,
    labels_are_parity,
    learns_any_map,
    learns_parity,
    lm_untouched,
)
from grader.checks.clipping import norm_is_clipped
from grader.checks.determinism import batches_follow_the_generator, own_batches_follow_the_seed, seed_decides
from grader.checks.heads import (
    cached_heads_equal_full,
    cached_heads_unchanged,
    heads_are_causal,
    heads_are_separate,
    heads_leave_the_start,
    one_head_is_plain,
    rows_ignore_each_other,
)
from grader.checks.initialisation import initial_constants, initial_spread
from grader.checks.learning_rate import every_group_at_the_rate, learning_rate_schedule
from grader.checks.loss import lm_loss_by_formula, targets_come_next
from grader.checks.masking import chunk_is_causal, future_is_hidden, gradient_is_causal, large_scores, past_is_seen
from grader.checks.modes import (
    decoding_without_dropout,
    dropout_follows_the_mode,
    evaluate_in_eval_mode,
    heads_without_dropout,
    train_in_training_mode,
)
from grader.checks.normalisation import norms_read_the_stream, residual_stream
from grader.checks.numerics import (
    activation_is_gelu,
    score_shifts_cancel,
    small_vectors_are_normed,
    weights_sum_to_one,
)
from grader.checks.optimizer import decay_spares_vectors, given_optimizer_is_used, holds_every_parameter
from grader.checks.position import (
    chunks_keep_positions,
    order_matters,
    positions_are_added,
    row_reach,
    same_token,
)
from grader.checks.projection import (
    config_defaults,
    contract_errors,
    forward_runs,
    head_alone_scores,
    logits_width,
    parameter_shapes,
    same_init,
)
from grader.checks.ragged import (
    cache_tells_lengths,
    lengths_left_out,
    padding_is_ignored,
    ragged_cache_travels,
    ragged_cache_unchanged,
    ragged_generation,
    ragged_limits,
    rows_can_be_picked,
    rows_equal_alone,
    rows_may_pause,
)
from grader.checks.registration import every_parameter_learns, parameters_are_separate
from grader.checks.stability import (
    empty_rows_give_no_gradient,
    empty_rows_weigh_nothing,
    flat_vectors_stay_finite,
    long_blocks,
    precisions_agree,
    scores_of_any_size,
)
from grader.checks.training import (
    batches_are_as_specified,
    loss_is_from_before,
    own_batches_differ,
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
    head_alone_scores.CHECK,
    parameters_are_separate.CHECK,
    every_parameter_learns.CHECK,
    same_init.CHECK,
    initial_constants.CHECK,
    initial_spread.CHECK,
    future_is_hidden.CHECK,
    past_is_seen.CHECK,
    gradient_is_causal.CHECK,
    large_scores.CHECK,
    attention_alone.CHECK,
    attention_roles.CHECK,
    prefix_stands_alone.CHECK,
    heads_are_separate.CHECK,
    heads_are_causal.CHECK,
    rows_ignore_each_other.CHECK,
    one_head_is_plain.CHECK,
    heads_leave_the_start.CHECK,
    same_token.CHECK,
    row_reach.CHECK,
    order_matters.CHECK,
    positions_are_added.CHECK,
    residual_stream.CHECK,
    norms_read_the_stream.CHECK,
    activation_is_gelu.CHECK,
    weights_sum_to_one.CHECK,
    score_shifts_cancel.CHECK,
    small_vectors_are_normed.CHECK,
    parameters_move.CHECK,
    step_is_exact.CHECK,
    training_repeats.CHECK,
    learning_rate_schedule.CHECK,
    batches_are_as_specified.CHECK,
    train_uses_every_batch.CHECK,
    own_batches_differ.CHECK,
    loss_is_from_before.CHECK,
    every_group_at_the_rate.CHECK,
    norm_is_clipped.CHECK,
    holds_every_parameter.CHECK,
    decay_spares_vectors.CHECK,
    given_optimizer_is_used.CHECK,
    lm_loss_by_formula.CHECK,
    targets_come_next.CHECK,
    seed_decides.CHECK,
    batches_follow_the_generator.CHECK,
    own_batches_follow_the_seed.CHECK,
    dropout_follows_the_mode.CHECK,
    train_in_training_mode.CHECK,
    evaluate_in_eval_mode.CHECK,
    cached_equals_full.CHECK,
    cache_travels.CHECK,
    cache_is_read.CHECK,
    cache_grows.CHECK,
    cache_unchanged.CHECK,
    cache_is_private.CHECK,
    cache_limits.CHECK,
    generate_is_greedy.CHECK,
    chunk_is_causal.CHECK,
    chunks_keep_positions.CHECK,
    decoding_without_dropout.CHECK,
    cached_heads_equal_full.CHECK,
    cached_heads_unchanged.CHECK,
    heads_without_dropout.CHECK,
    empty_rows_weigh_nothing.CHECK,
    empty_rows_give_no_gradient.CHECK,
    scores_of_any_size.CHECK,
    flat_vectors_stay_finite.CHECK,
    precisions_agree.CHECK,
    long_blocks.CHECK,
    rows_equal_alone.CHECK,
    rows_may_pause.CHECK,
    lengths_left_out.CHECK,
    ragged_generation.CHECK,
    padding_is_ignored.CHECK,
    cache_tells_lengths.CHECK,
    ragged_cache_travels.CHECK,
    rows_can_be_picked.CHECK,
    ragged_cache_unchanged.CHECK,
    ragged_limits.CHECK,
    class_logits_shape.CHECK,
    lm_untouched.CHECK,
    head_leaves_the_stream.CHECK,
    labels_are_parity.CHECK,
    combined_loss.CHECK,
    gradients_reach.CHECK,
    learns_parity.CHECK,
    learns_any_map.CHECK,
    joint_training_step.CHECK,
    evaluate_is_honest.CHECK,
)

MEASURED_BY: Final = tuple(check for check in CHECKS if not check.costly)  # what bugs are tried against before planting
BY_ID: Final = {check.id: check for check in CHECKS}
