"""Weighing two losses: what is wrong fails what it breaks, what is right passes however it is written.

Bugs of the items are never judged a second time here: beside one that is left in, the follow-up is full, or what cannot
be told of it is blocked by that bug.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import pytest

from grader.checks.catalogue import BY_ID
from grader.checks.check import Check, Context
from grader.exercise.model import Exercise
from grader.grading.search import Search, search
from grader.packages.package import Package
from grader.packages.trouble import PackageRaised
from grader.packages.worker_pool import WorkerPool
from grader.result.record import FollowUp, Outcome, Result, Status
from grader.sandbox.questions import Snippet
from mutations.catalogue import operator
from mutations.edit import splice

pytestmark = pytest.mark.slow  # a second or two for each grade, half a one for each search

FOLLOWUP = "loss-weighting"
SCHEDULES, UNCERTAINTY, NORMS = "class-weight-schedules", "uncertainty-by-formula", "gradient-norms-balance"
TRACE, BEATS = "weighing-leaves-no-trace", "balancing-beats-constant"
QUICK = [BY_ID[check] for check in (SCHEDULES, UNCERTAINTY, NORMS, TRACE)]
TIMEOUT = 120.0

PLANTED = [
    pytest.param("graph-freed-too-soon", 0, {NORMS, TRACE}, id="graph-freed"),
    pytest.param("graph-freed-too-soon", 1, {TRACE}, id="graph-freed-by-the-second"),
    pytest.param("log-variance-never-paid-for", 0, {UNCERTAINTY}, id="never-paid-for"),
    pytest.param("log-variance-sign-lost", 0, {UNCERTAINTY}, id="sign-lost"),
    pytest.param("log-variances-swapped", 0, {UNCERTAINTY}, id="swapped"),
    pytest.param("norm-ratio-upside-down", 0, {NORMS}, id="upside-down"),
    pytest.param("unshared-parameters-counted", 0, {NORMS}, id="head-of-the-classes-counted"),
    pytest.param("unshared-parameters-counted", 1, {NORMS}, id="head-of-the-tokens-counted"),
    pytest.param("weight-warms-up-from-zero", 0, {SCHEDULES}, id="from-zero"),
    pytest.param("weight-warms-up-to-the-rate", 0, {SCHEDULES}, id="to-the-rate"),
]

CONSTANT = "    return config.class_weight\n"
WARM_UP = "    return config.class_weight * learning_rate(step, config) / config.lr\n"
UNCERTAIN = "    return ((-log_variances).exp() * torch.stack((lm_loss, class_loss)) + log_variances / 2).sum()\n"
GRADIENTS = """\
    parameters = list(model.parameters())
    lm = torch.autograd.grad(lm_loss, parameters, retain_graph=True, allow_unused=True)
    classes = torch.autograd.grad(class_loss, parameters, retain_graph=True, allow_unused=True)
"""
NORMED = """\
    shared = [(a, b) for a, b in zip(lm, classes, strict=True) if a is not None and b is not None]
    lm_norm, class_norm = (torch.cat([g.flatten() for g in side]).norm().item() for side in zip(*shared, strict=True))
"""
RATIO = "    return lm_norm / max(class_norm, 1e-12)\n"
BACKWARD = """\
    kept = [p.grad for p in model.parameters()]
    sides = []
    for loss in (lm_loss, class_loss):
        for p in model.parameters():
            p.grad = None
        loss.backward(retain_graph=True)
        sides.append([None if p.grad is None else p.grad.clone() for p in model.parameters()])
    lm, classes = sides
"""
RESTORED = "    for p, gradient in zip(model.parameters(), kept):\n        p.grad = gradient\n"

WRONG = [
    pytest.param([(CONSTANT, "    return 1.0\n")], SCHEDULES, id="constant-of-its-own"),
    pytest.param(
        [(WARM_UP, WARM_UP.replace("* learning_rate(step, config)", "* config.lr"))], SCHEDULES, id="no-warm-up"
    ),
    pytest.param(
        [(WARM_UP, "    return config.class_weight * (step + 1) / config.warmup\n")],
        SCHEDULES,
        id="warm-up-without-end",
    ),
    pytest.param([(UNCERTAIN, UNCERTAIN.replace("/ 2", ""))], UNCERTAINTY, id="variance-for-deviation"),
    pytest.param(
        [(UNCERTAIN, UNCERTAIN.replace("(-log_var", "(-log_variances.detach() + 0 * log_var"))],
        UNCERTAINTY,
        id="detached",
    ),
    pytest.param(
        [(UNCERTAIN, f"    log_variances.data.clamp_(-1, 0)\n{UNCERTAIN}")], UNCERTAINTY, id="clamped-in-place"
    ),
    pytest.param([(RATIO, "    return (lm_loss / class_loss).item()\n")], NORMS, id="ratio-of-the-losses"),
    pytest.param([(RATIO, RATIO.replace("lm_norm /", "lm_norm**2 /"))], NORMS, id="square-of-a-norm"),
    pytest.param([(GRADIENTS, BACKWARD)], TRACE, id="gradients-left-behind"),
    pytest.param([(RATIO, f"    model.eval()\n{RATIO}")], TRACE, id="mode-left-behind"),
    pytest.param([(RATIO, f"    torch.rand(1)\n{RATIO}")], TRACE, id="a-number-drawn"),
    pytest.param(
        [
            (
                RATIO,
                "    config = model.config.__dict__\n    config['calls'] = config.get('calls', 0) + 1\n"
                "    return lm_norm / class_norm * config['calls']\n",
            )
        ],
        TRACE,
        id="remembers",
    ),
]
# Both ways to balance made no better than the constant weight, each in a way of its own.
STARVED = [
    pytest.param(
        [
            (UNCERTAIN, "    return lm_loss + 0.05 * class_loss + 0 * log_variances.sum()\n"),
            (RATIO, "    return 0.05\n"),
        ],
        id="constant-under-other-names",
    ),
    pytest.param(
        [(UNCERTAIN, UNCERTAIN.replace("(lm_loss,", "(lm_loss.detach(),")), (RATIO, "    return 1e9\n")],
        id="language-model-starved",
    ),
]

HONEST = {
    "written out": [
        (WARM_UP, """\
    done = min(step + 1, max(config.warmup, 1)) / max(config.warmup, 1)
    return done * config.class_weight
"""),
        (UNCERTAIN, """\
    s, t = log_variances.unbind()
    return lm_loss / s.exp() + class_loss / t.exp() + 0.5 * (s + t)
"""),
        (NORMED + RATIO, """\
    squares = [0.0, 0.0]
    for a, b in zip(lm, classes):
        if a is not None and b is not None:
            squares[0] += float((a * a).sum())
            squares[1] += float((b * b).sum())
    return (squares[0] / (squares[1] + 1e-12)) ** 0.5
"""),
    ],
    "by backward, put back": [(GRADIENTS, BACKWARD), (RATIO, RESTORED + RATIO)],
    "a tensor, guarded by a sum": [
        (CONSTANT, "    return torch.tensor(float(config.class_weight), dtype=torch.float64)\n"),
        (UNCERTAIN, """\
    total = torch.zeros((), dtype=log_variances.dtype)
    for loss, s in zip((lm_loss, class_loss), log_variances):
        total = total + torch.exp(-s) * loss + s.div(2)
    return total
"""),
        (NORMED + RATIO, """\
    norms = [torch.stack([g.norm() for g, other in zip(side, rest) if g is not None and other is not None]).norm()
             for side, rest in ((lm, classes), (classes, lm))]
    return norms[0] / (norms[1] + 1e-6)
"""),
    ],
    "shared parameters by name": [
        (GRADIENTS + NORMED, """\
    shared = [p for name, p in model.named_parameters() if "head" not in name]
    lm_norm, class_norm = (
        nn.utils.parameters_to_vector(torch.autograd.grad(loss, shared, retain_graph=True)).norm().item()
        for loss in (lm_loss, class_loss)
    )
"""),
    ],
}  # fmt: skip


@pytest.fixture
def ask(judged: Callable[..., AbstractContextManager[Context]]) -> Callable[[Mapping[str, str], Check], Search]:
    """``ask(files, check)``: what the search for a failing case has found."""

    def ask(files: Mapping[str, str], check: Check) -> Search:
        with judged(files, "weighting") as context:
            return search(
                check.cases, lambda case: check.holds(case, context), seed=1, examples=check.examples, shrink=False
            )

    return ask


def outcomes(result: Result) -> dict[str, Outcome]:
    return {check.id: check.outcome for check in followup(result).checks}


def followup(result: Result) -> FollowUp:
    return next(each for each in result.followups if each.id == FOLLOWUP)


@pytest.mark.parametrize(("operator_id", "site", "failing"), PLANTED)
def test_a_planted_bug_fails_what_it_breaks(
    operator_id: str,
    site: int,
    failing: set[str],
    ask: Callable[[Mapping[str, str], Check], Search],
    exercise: Exercise,
) -> None:
    text = exercise.reference["train.py"]
    files = {**exercise.reference, "train.py": splice(text, [operator(operator_id).find(text)[site]])}

    assert {check.id for check in QUICK if ask(files, check).failure is not None} == failing


@pytest.mark.parametrize(("changes", "check"), WRONG)
def test_what_is_wrong_fails_the_check_made_for_it(
    changes: list[tuple[str, str]],
    check: str,
    ask: Callable[[Mapping[str, str], Check], Search],
    rewritten: Callable[..., dict[str, str]],
) -> None:
    assert ask(rewritten({"train.py": changes}), BY_ID[check]).failure is not None


@pytest.mark.parametrize("changes", STARVED)
def test_balancing_that_does_not_balance_is_no_better_than_a_constant_weight(
    changes: list[tuple[str, str]],
    ask: Callable[[Mapping[str, str], Check], Search],
    rewritten: Callable[..., dict[str, str]],
) -> None:
    failure = ask(rewritten({"train.py": changes}), BY_ID[BEATS]).failure

    assert getattr(failure, "kind", None) == "no-better"


def test_to_run_badly_with_a_constant_weight_makes_no_balancing_better(
    ask: Callable[[Mapping[str, str], Check], Search], rewritten: Callable[..., dict[str, str]]
) -> None:
    changes = [
        (CONSTANT, "    return -1.0\n"),
        (UNCERTAIN, "    return lm_loss + 0.05 * class_loss + 0 * log_variances.sum()\n"),
        (RATIO, "    return 0.05\n"),
    ]

    assert ask(rewritten({"train.py": changes}), BY_ID[BEATS]).failure is not None


@pytest.mark.parametrize("changes", HONEST.values(), ids=HONEST.keys())
def test_what_is_right_and_written_otherwise_has_full_marks(
    changes: list[tuple[str, str]],
    rewritten: Callable[..., dict[str, str]],
    grade_files: Callable[..., Result],
) -> None:
    result = grade_files(rewritten({"train.py": changes}), only=(FOLLOWUP,), explain=False)

    assert {check: outcome for check, outcome in outcomes(result).items() if outcome is not Outcome.PASSED} == {}
    assert followup(result).score == followup(result).max_score


@pytest.mark.parametrize(
    ("bug", "blocked"),
    [
        pytest.param("masking", set(), id="masking"),
        pytest.param("position", {BEATS}, id="position"),
        pytest.param("projection", set(), id="projection"),
        pytest.param("training-step", set(), id="training-step"),
    ],
)
def test_a_bug_that_is_left_in_fails_nothing_here(
    bug: str, blocked: set[str], exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    result = grade_files(exercise.variant(frozenset({bug})), only=(bug, FOLLOWUP), explain=False)
    found = {check.id: check for check in followup(result).checks}

    assert {check for check, verdict in found.items() if verdict.outcome is not Outcome.PASSED} == blocked
    assert all(found[check].blocked_by == (bug,) for check in blocked)
    assert followup(result).score == followup(result).max_score


def test_the_starter_is_asked_one_question_and_reads_not_built(
    exercise: Exercise, grade_files: Callable[..., Result]
) -> None:
    result = grade_files(exercise.starter(), only=(FOLLOWUP,))

    assert (followup(result).status, followup(result).score) == (Status.NOT_BUILT, 0)
    assert followup(result).summary == "Not built yet."
    assert set(outcomes(result)) == {"weighting-is-built"}
    assert result.exhibits.weighting is None


def test_who_builds_some_of_it_earns_for_that(exercise: Exercise, grade_files: Callable[..., Result]) -> None:
    body = "    return config.class_weight * learning_rate(step, config) / config.lr\n"
    files = dict(exercise.reference)
    assert files["train.py"].count(body) == 1
    files["train.py"] = files["train.py"].replace(body, "    raise NotImplementedError\n")
    result = grade_files(files, only=(FOLLOWUP,), explain=False)

    assert (followup(result).status, followup(result).score) == (Status.PARTLY, 9)
    assert outcomes(result)[SCHEDULES] is Outcome.BROKEN


@pytest.mark.parametrize(
    ("check", "operator_id"),
    [
        pytest.param(SCHEDULES, "weight-warms-up-to-the-rate", id="schedules"),
        pytest.param(UNCERTAINTY, "log-variance-sign-lost", id="uncertainty"),
        pytest.param(NORMS, "norm-ratio-upside-down", id="norms"),
        pytest.param(TRACE, "graph-freed-too-soon", id="trace"),
    ],
)
def test_a_snippet_shows_the_bug_and_nothing_where_there_is_none(
    check: str,
    operator_id: str,
    ask: Callable[[Mapping[str, str], Check], Search],
    worker_pool: WorkerPool,
    exercise: Exercise,
) -> None:
    text = exercise.reference["train.py"]
    files = {**exercise.reference, "train.py": splice(text, operator(operator_id).find(text)[-1:])}
    case, snippet = ask(files, BY_ID[check]).case, BY_ID[check].snippet
    assert snippet is not None
    script = Snippet(source=snippet(case))
    with pytest.raises(PackageRaised, match="AssertionError"):
        Package(worker_pool, "candidate", files, TIMEOUT).ask(script, {})
    Package(worker_pool, "candidate", exercise.reference, TIMEOUT).ask(script, {})
