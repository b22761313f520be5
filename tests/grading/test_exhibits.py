"""The evidence of a real grade says of right code that it is right, and shows where wrong code is wrong."""

from collections.abc import Callable, Mapping
from statistics import fmean

import pytest

from grader.exercise.model import Exercise
from grader.result.record import ObjectivesRun, Result

Grade = Callable[..., Result]


@pytest.fixture(scope="module")
def solution(grade_files: Grade, exercise: Exercise) -> Result:
    return grade_files(exercise.reference, only=("masking", "kv-cache", "loss-weighting"))


def changed(files: Mapping[str, str], old: str, new: str, file: str = "model.py") -> dict[str, str]:
    assert files[file].count(old) == 1
    return {**files, file: files[file].replace(old, new)}


@pytest.mark.slow
def test_the_solution_has_every_exhibit_and_differs_from_itself_in_none(solution: Result) -> None:
    shown = solution.exhibits

    assert [name for name in shown.__struct_fields__ if getattr(shown, name) is None] == []
    assert shown.influence is not None
    assert shown.influence.candidate == shown.influence.reference
    assert shown.training is not None
    assert shown.training.reference is not None
    assert shown.training.candidate.losses == shown.training.reference.losses
    assert shown.training.candidate.accuracies == shown.training.reference.accuracies
    assert shown.training.first_divergence is None
    assert shown.cache is not None
    assert set(shown.cache.layers) == {shown.cache.expected}
    assert shown.parameters is not None
    assert [row.name for row in shown.parameters.rows if row.shape != row.expected] == []
    assert set(shown.parameters.same_start or ()) == {True}
    assert shown.ulps is not None
    assert (len(shown.ulps.counts), shown.ulps.largest, shown.ulps.incomparable) == (1, 0, 0)


@pytest.mark.slow
def test_the_solution_learns_as_it_is_trained(solution: Result) -> None:
    assert solution.exhibits.training is not None
    accuracies = [share for share in solution.exhibits.training.candidate.accuracies if share is not None]

    assert len(accuracies) == 24
    assert sum(accuracies[-6:]) > 1.3 * sum(accuracies[:6])


@pytest.mark.slow
def test_hints_are_given_for_what_is_not_right_and_for_nothing_else(grade_files: Grade, exercise: Exercise) -> None:
    result = grade_files(exercise.variant(frozenset({"masking"})), only=("masking", "position"))

    assert [item.hints for item in result.items] == [exercise.hints_of("masking"), ()]


@pytest.mark.slow
def test_a_wrong_solution_shows_in_its_distances_its_cache_and_its_changes(
    grade_files: Grade, exercise: Exercise
) -> None:
    files = changed(exercise.reference, "self.ln_f = nn.LayerNorm(C)", "self.ln_f = nn.LayerNorm(C, eps=1e-3)")
    mixed = "y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)\n"
    attended = f"{mixed}        return self.dropout(self.proj(y)), LayerKV("
    files = changed(files, f"{attended}k, v)", f"{attended}k[:, :, -8:], v[:, :, -8:])")
    result = grade_files(files, only=("masking", "kv-cache"))
    ulps, cache = result.exhibits.ulps, result.exhibits.cache

    assert cache is not None
    assert set(cache.layers) == {(32, 256, 256, 256)}
    assert cache.expected == (32, 256, 512, 1024)
    assert ulps is not None
    assert ulps.largest is not None
    assert ulps.largest > 1000
    assert sum(ulps.counts) > 10_000
    assert result.changes is not None
    model = next(change for change in result.changes if change.file == "model.py")
    assert "+        self.ln_f = nn.LayerNorm(C, eps=1e-3)" in model.diff.splitlines()


@pytest.mark.slow
def test_code_that_does_not_run_leaves_its_exhibits_out_and_its_parameters_in(
    grade_files: Grade, exercise: Exercise
) -> None:
    files = changed(exercise.reference, "        logits = self.lm_head(x)", "        logits = self.lm_head(x)[None]")
    shown = grade_files(files, only=("masking", "kv-cache")).exhibits

    assert shown.influence is None
    assert shown.training is None
    assert shown.parameters is not None
    assert shown.ulps is not None
    assert (shown.ulps.counts, shown.ulps.largest) == ((), None)
    assert shown.ulps.incomparable > 10_000


@pytest.mark.slow
def test_a_leak_is_shown_with_what_was_put_in_and_with_what_must_not_have_moved(
    grade_files: Grade, exercise: Exercise
) -> None:
    result = grade_files(exercise.variant(frozenset({"masking"})), only=("masking",))
    cases = {check.id: check.counterexample for check in result.items[0].checks}
    case = cases["future-is-hidden"]
    assert case is not None
    assert case.grid is not None
    grid = case.grid
    first = min(t for _, t in grid.changed)

    assert [grid.tokens[row][t] == new for (row, t), new in zip(grid.changed, grid.replaced_by, strict=True)] == [
        False
    ] * len(grid.changed)
    assert grid.wrong == tuple(place for place in grid.moved if place[1] < first) != ()
    assert set(grid.changed) <= set(grid.moved)  # what comes after may move, and does


@pytest.mark.slow
def test_decoding_that_is_wrong_is_shown_where_it_leaves_the_forward(grade_files: Grade, exercise: Exercise) -> None:
    wrong = changed(exercise.reference, "torch.arange(T_past, T, device", "torch.arange(T_new, device")
    result = grade_files(wrong, only=("kv-cache",))
    (case,) = [check.counterexample for check in result.items[0].checks if check.id == "cached-equals-full"]
    assert case is not None
    assert case.grid is not None

    assert case.grid.wrong == case.grid.moved != ()
    assert min(t for _, t in case.grid.wrong) > 0  # the first chunk is where it should be


@pytest.mark.slow
def test_two_objectives_show_why_a_constant_weight_leaves_the_classifier_behind(
    grade_files: Grade, exercise: Exercise
) -> None:
    shown = grade_files(exercise.reference, only=("loss-weighting",)).exhibits.weighting
    assert shown is not None

    def pulls(run: ObjectivesRun) -> list[float]:
        """How hard the classifier pulls, as a share of how hard the language model does, from step to step."""
        measured = zip(run.class_norms, run.weights, run.lm_norms, strict=True)
        return [classes * weight / lm for classes, weight, lm in measured if classes and weight and lm]

    assert len(pulls(shown.constant)) == len(pulls(shown.balanced)) == len(shown.steps)
    assert max(pulls(shown.constant)) < 0.2
    assert fmean(pulls(shown.balanced)) > 0.2
    for run in (shown.constant, shown.balanced):
        losses = [loss for loss in run.lm_losses if loss is not None]
        assert losses[-1] < 0.7 * losses[0]
        assert all(cosine is not None and abs(cosine) <= 1 for cosine in run.cosines)
    behind, ahead = (
        fmean(share for share in run.accuracies[-5:] if share is not None) for run in (shown.constant, shown.balanced)
    )
    assert ahead > behind + 0.15


@pytest.mark.slow
def test_what_is_not_asked_or_not_built_of_two_objectives_is_not_shown(grade_files: Grade, exercise: Exercise) -> None:
    assert grade_files(exercise.reference, only=("masking",)).exhibits.weighting is None
    unbuilt = "    raise NotImplementedError\n"
    one_left = changed(exercise.reference, "    return lm_norm / max(class_norm, 1e-12)\n", unbuilt, "train.py")
    none_left = changed(one_left, "    return ((-log_variances)", f"{unbuilt}    return ((-log_variances)", "train.py")

    shown = grade_files(one_left, only=("loss-weighting",)).exhibits.weighting
    assert shown is not None
    assert shown.balanced.label == "balanced by uncertainty"
    assert grade_files(none_left, only=("loss-weighting",)).exhibits.weighting is None
