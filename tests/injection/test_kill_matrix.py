"""Every bug of the catalogue is seen by a check made for its kind, and every check sees a bug."""

import fcntl
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import pytest

from grader.checks.catalogue import MEASURED_BY, of_family
from grader.checks.check import Check
from grader.exercise.model import Exercise, builtin_exercise
from grader.injection.choose import Sources, mutants
from grader.injection.matrix import Matrix, Row, kill_matrix, to_json
from grader.sandbox.client import Launcher
from mutations.catalogue import OPERATORS, operator
from mutations.operator import Category, Operator

pytestmark = [
    pytest.mark.slow,  # one matrix for all of them: minutes on two cores
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation is Linux's"),
]

FOREIGN = Path(__file__).resolve().parents[1] / "mutations" / "foreign"

# Our reference writes it otherwise, or not at all: what these attack is a fused projection, a call of torch's own
# attention, few heads of keys, a gated block, a norm that is written out, a batch in parts, a scaler, buffers, or a
# function beside the model that continues a text.
ABSENT = {
    "accumulated-loss-not-divided",
    "causal-flag-off",
    "clip-before-unscale",
    "clip-in-every-micro-step",
    "epsilon-outside-the-root",
    "fused-mask-inverted",
    "fused-parts-out-of-order",
    "gate-and-value-swapped",
    "generated-in-training-mode",
    "gradients-cleared-in-every-micro-step",
    "heads-cut-before-qkv",
    "key-heads-tiled",
    "keys-and-values-cached-crosswise",
    "norm-divides-by-the-inverse",
    "norm-over-the-whole-sequence",
    "product-activated-instead-of-gate",
    "rotation-restarts-with-each-chunk",
    "scale-by-model-width",
    "step-in-every-micro-step",
    "step-past-the-scaler",
}


# They ask whether anything of a follow-up is there: what fails them is a package that has not built it.
DOORS = {
    check
    for item in builtin_exercise().rubric.followup
    for check in item.essential
    if item.earns[check] == 0
}  # fmt: skip


@pytest.fixture(scope="session")
def matrix(exercise: Exercise, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """The whole catalogue, at every site in our reference: made once, for the first test that asks."""
    own = tmp_path_factory.getbasetemp()
    path = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "matrix.json"
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            path.write_text(to_json(as_far_as_needed(exercise.reference, launcher)))
    return msgspec.json.decode(path.read_bytes(), type=Matrix)


def as_far_as_needed(reference: Sources, launcher: Launcher) -> Matrix:
    """Every bug is put to the checks of its own kind; to the others, until one sees it, where none of those does; and
    to the checks that have seen nothing by then. Every bug to every check takes four times as long."""
    rows: dict[tuple[str, int], Row] = {}

    def ask(operators: Iterable[Operator], checks: Sequence[Check], *, first: bool) -> set[str]:
        """The checks that have seen something."""
        for row in kill_matrix(reference, operators, launcher, lambda _: None, checks=checks, first=first).rows:
            known = rows.setdefault((row.operator, row.site), row)
            killers = dict.fromkeys((*known.killed_by, *row.killed_by))
            rows[row.operator, row.site] = msgspec.structs.replace(known, killed_by=tuple(killers))
        return {check for row in rows.values() for check in row.killed_by}

    for category in Category:
        of_its_kind = [each for each in OPERATORS if each.category is category]
        ask(of_its_kind, of_family(category, MEASURED_BY), first=False)
    unseen = sorted({row.operator for row in rows.values() if not row.killed_by})
    seeing = ask(map(operator, unseen), MEASURED_BY, first=True)
    while idle := [check for check in MEASURED_BY if check.id not in seeing | DOORS]:
        more = ask(OPERATORS, idle, first=True)
        if more == seeing:
            break
        seeing = more
    return Matrix(checks=tuple(check.id for check in MEASURED_BY), rows=tuple(rows.values()), seconds=0.0)


def test_operators_without_a_site_here_have_one_in_a_source_of_another_style(exercise: Exercise) -> None:
    at_home = {mutant.operator.id for mutant in mutants(exercise.reference, OPERATORS)}
    homeless = [each for each in OPERATORS if each.id not in at_home]

    assert {each.id for each in homeless} == ABSENT
    for each in homeless:
        assert any(each.find(path.read_text(encoding="utf-8")) for path in FOREIGN.glob("*/*.py")), each.id


def test_each_site_of_each_operator_is_a_row(matrix: Matrix, exercise: Exercise) -> None:
    expected = [(mutant.operator.id, mutant.site) for mutant in mutants(exercise.reference, OPERATORS)]

    assert sorted((row.operator, row.site) for row in matrix.rows) == sorted(expected)


def test_all_checks_are_asked_unless_others_are_named(exercise: Exercise, launcher: Launcher) -> None:
    planted = operator("mask-peeks-one-ahead")
    found = kill_matrix(exercise.reference, [planted], launcher, lambda _: None)

    assert found.checks == tuple(check.id for check in MEASURED_BY)
    assert len(found.rows[0].killed_by) > 1


def test_a_bug_is_seen_by_a_check_of_its_own_kind(matrix: Matrix) -> None:
    own = {category: {check.id for check in of_family(category)} for category in Category}
    seen = {row.operator for row in matrix.rows if own[Category(row.category)] & set(row.killed_by)}
    others = {row.name: row.killed_by for row in matrix.rows if row.operator not in seen}

    assert others == {}, "no check of their own kind sees these; those on the right do"
    assert seen == {each.id for each in OPERATORS} - ABSENT


def test_a_bug_is_seen_at_each_of_its_sites(matrix: Matrix) -> None:
    told_by = {row.name: row.shows_in for row in matrix.survivors}

    assert told_by == {}, "no check sees these; the comparisons that tell them are those on the right"


def test_a_check_sees_a_bug(matrix: Matrix) -> None:
    blind = [check.id for check in MEASURED_BY if check.id not in DOORS and not matrix.kills[check.id]]

    assert blind == [], f"these see none of {len(matrix.rows)} bugs: holes in the catalogue, or useless"


def test_to_stop_at_the_first_is_to_ask_checks_of_its_own_kind_first(exercise: Exercise, launcher: Launcher) -> None:
    planted = operator("mask-peeks-one-ahead")
    own = of_family(planted.category)
    own_last = [*(check for check in MEASURED_BY if check not in own), *own]
    found = kill_matrix(exercise.reference, [planted], launcher, lambda _: None, first=True, checks=own_last)

    assert [row.killed_by for row in found.rows] == [("future-is-hidden",)]
