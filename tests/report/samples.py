"""Results made by hand: from hopeless to perfect, and one in which every text attacks its reader."""

import math
from typing import Any

from msgspec.structs import fields, replace

from grader.result.record import (
    Asked,
    Audience,
    CacheExhibit,
    CandidateInfo,
    CheckResult,
    Counterexample,
    Curve,
    Divergence,
    Environment,
    EventKind,
    ExerciseInfo,
    Exhibits,
    Feedback,
    FileChange,
    FlopsExhibit,
    FollowUp,
    Frozen,
    Hidden,
    InfluenceExhibit,
    Integrity,
    Isolation,
    ItemResult,
    ItemStory,
    Lane,
    LoadFault,
    Mode,
    ObjectivesRun,
    Outcome,
    ParameterExhibit,
    ParameterRow,
    Parting,
    Place,
    Result,
    Role,
    Scope,
    Status,
    Timeline,
    TimelineEvent,
    TokenGrid,
    Trace,
    TrainingExhibit,
    UlpExhibit,
    WeightingExhibit,
)

CANARY = "canary-of-the-hidden-reference"
SEED = 918273645

ATTACK = (
    "<script>alert(1)</script>\"'></pre></style><img src=x onerror=alert(2)> {{ 7*7 }} "
    "`|` **bold** [x](javascript:alert(3)) ![](//evil.example) www.evil.example @octocat #1 :bug: ]]> &lt; =1+1 "
    "::add-mask::x ##[add-mask]x $\\frac{1}{0}$ "
    "\x1b[31mred\x1b[0m \x1b]8;;file:///etc\x07link\x1b]8;;\x07 \x00\x07\x9b2J\u202egnp.exe\u2066\ud800 "
    "NaN Infinity -0.0 漢字漢字 " + "x" * 300 + "\r\nline two\n\n\tline three"
)

SNIPPET = """\
import torch
from model import GPT, GPTConfig

torch.manual_seed(0)
model = GPT(GPTConfig(vocab_size=7, block_size=4, n_layer=1, d_model=5)).eval()
for p in model.parameters():
    torch.nn.init.normal_(p, std=0.5)
a, b = torch.tensor([[3, 1, 4]]), torch.tensor([[3, 1, 5]])  # they differ at position 2 alone
print((model(a) - model(b)).abs().amax(-1))  # positions 0 and 1 must be exactly 0
"""


def case(**changes: Any) -> Counterexample:
    plain = Counterexample(
        claim="Changing the token at position 2 leaves the logits at positions 0 and 1 as they were, bit for bit.",
        seen="The logits at position 0 moved by up to 0.318, those at position 1 by up to 0.274.",
        config={"vocab_size": 7, "block_size": 4, "n_layer": 1, "d_model": 5, "position": "learned"},
        grid=TokenGrid(
            tokens=((3, 1, 4), (0, 6, 2)),
            changed=((0, 2),),
            replaced_by=(5,),
            moved=((0, 0), (0, 1), (0, 2)),
            wrong=((0, 0), (0, 1)),
        ),
        snippet=SNIPPET,
        hidden=Hidden(expected=f"tensor([0.4181, -1.2092, 0.0377])  # {CANARY}", note="Row 0, position 0."),
    )
    return replace(plain, **changes)


def check(identifier: str, title: str, outcome: Outcome, score: float, most: float, **changes: Any) -> CheckResult:
    plain = CheckResult(
        id=identifier,
        title=title,
        outcome=outcome,
        role=Role.EARNS,
        score=score,
        max_score=most,
        seconds=0.42,
        why="A model that sees the token it has to predict looks perfect in training and writes nonsense afterwards.",
        usual_causes=(
            "The mask is made and never applied to the scores.",
            "The mask is applied after the softmax instead of before.",
        ),
        examples=37,
    )
    return replace(plain, **changes)


def starter() -> Result:
    """Nothing fixed, nothing built."""
    return _result(_items(0), 0, ("attention-mask-dropped", "position-not-added", "head-width", "no-optimizer-step"))


def right_up_to_rounding() -> Result:
    """Perfect, but for an operation of the first item that stands in another order."""
    where = f"train.py, line 81: return {'x' * 60}, {'y' * 27}"
    order = f"right up to rounding: an operation stands in another order than in the starter ({where})"
    seen = f"{order}; at most 8 ULP of float32 apart; in one forward, the first to differ is logits.0 [0, 1]: 0.25"
    result = perfect()
    item = result.items[0]
    checks = tuple(
        replace(check, outcome=Outcome.FAILED, message=seen, score=0.0, counterexample=None)
        if check.role is Role.EXACT
        else check
        for check in item.checks
    )
    assert checks != item.checks
    return replace(result, items=(replace(item, score=12.0, checks=checks), *result.items[1:]))


def half_done() -> Result:
    """Some of everything that can come out, exhibits and follow-ups too."""
    half = _result(_items(1), 41.666, ("position-not-added",))
    place = Place(file="train.py", line=12, column=11, function="main", source='    raise RuntimeError("no data")')
    fault = LoadFault(file="train.py", reason="RuntimeError: no data", place=place, stack=(place,))
    return replace(half, load_faults=(fault,), graded_at="2026-11-29T19:52:10Z", timeline=_timeline())


def _timeline() -> Timeline:
    """Half an hour with two grades and a hint."""
    return Timeline(
        started_at="2026-11-29T19:00:00Z",
        last_at="2026-11-29T19:52:00Z",
        minutes=45,
        grades=2,
        hints={"masking": 1},
        items=(
            ItemStory(id="projection", found_at="2026-11-29T19:20:00Z", minute=20.0, grades=1),
            ItemStory(id="masking", grades=2, hints=1),
        ),
        events=(
            TimelineEvent(
                kind=EventKind.GRADED,
                at="2026-11-29T19:20:00Z",
                minute=20.0,
                score=15,
                max_score=100,
                found=("projection",),
                by="watch",
                sha256="3f" * 32,
                changes=CHANGES,
            ),
            TimelineEvent(kind=EventKind.HINT, at="2026-11-29T19:30:00Z", minute=30.0, item="masking", number=1),
            TimelineEvent(
                kind=EventKind.GRADED,
                at="2026-11-29T19:52:00Z",
                minute=52.0,
                max_score=100,
                lost=("projection",),
                stopped=True,
                by="grade",
            ),
        ),
        first="a1" * 32,
        head="b2" * 32,
        troubles=("line 7 cannot be read",),
    )


def followed_up() -> Result:
    """The half-done result with follow-up questions that somebody has begun with."""
    wrong = check("heads", "Heads look at different things", Outcome.FAILED, 0, 2, counterexample=case())
    right = check("heads-run", "Several heads run", Outcome.PASSED, 3, 3)
    ours = check("rotary", "Rotary positions turn", Outcome.NOT_JUDGED, 0, 5, message="The machine ran out of memory.")
    begun = (
        FollowUp(
            id="heads",
            title="Several heads",
            status=Status.PARTLY,
            score=3,
            max_score=5,
            summary="1 of 2 checks failed.",
            checks=(wrong, right),
        ),
        FollowUp(id="rotary", title="Rotary positions", status=Status.NOT_JUDGED, score=0, max_score=0, checks=(ours,)),
    )
    half = half_done()
    return replace(half, followups=(*begun, *half.followups))


def perfect() -> Result:
    """Full marks."""
    return _result(_items(2), 100, ())


def bare() -> Result:
    """The least that a result can hold."""
    full = perfect()
    candidate = replace(full.candidate, files=(), notes=())
    return replace(
        full,
        items=(),
        followups=(),
        remaining_bugs=None,
        changes=None,
        exhibits=Exhibits(),
        candidate=candidate,
        score=0,
        max_score=0,
    )


def hostile() -> Result:
    """The half-done result with an attack in every text."""
    attacked = with_every_text(ATTACK)
    flood = replace(attacked.items[0].checks[0], output="<b>" * 300_000)
    first = replace(attacked.items[0], checks=(flood, *attacked.items[0].checks[1:]))
    return replace(attacked, items=(first, *attacked.items[1:]))


def with_every_text(text: str) -> Result:
    """The half-done, followed-up result with this text in the place of every other, whatever fields there are."""
    result: Result = _replaced(followed_up(), text)
    return result


def _replaced(value: Any, text: str) -> Any:
    match value:
        case Outcome() | Status() | Lane() | Role() | Audience() | EventKind() | Feedback():
            return value
        case Hidden():
            return replace(value, expected=CANARY + text, note=text)
        case Frozen():
            return replace(
                value, **{field.name: _replaced(getattr(value, field.name), text) for field in fields(value)}
            )
        case str():
            return text
        case tuple():
            return tuple(_replaced(entry, text) for entry in value)
        case dict():
            return {_replaced(key, text): _replaced(entry, text) for key, entry in value.items()}
    return value


def _items(progress: int) -> tuple[ItemResult, ...]:
    return (
        _masking(progress),
        _position(progress),
        _projection(progress),
        _training(progress),
        _cache(progress),
        _classifier(progress),
    )


def _masking(progress: int) -> ItemResult:
    passed = progress == 2
    outcome = Outcome.PASSED if passed else Outcome.FAILED
    return ItemResult(
        id="masking",
        title="Attention masking",
        status=Status.FIXED if passed else Status.PARTLY if progress else Status.NOT_FIXED,
        score=(0, 6, 15)[progress],
        max_score=15,
        lane=Lane.BITWISE if passed else Lane.BEHAVIOUR,
        summary="Logits see nothing of the future."
        if passed
        else "Logits at a position change when later tokens change.",
        hints=() if passed else HINTS,
        scope=Scope(tokens=77, rows=17, layers=5, width=34, vocabulary=123, modes=(Mode.EVAL,)),
        checks=(
            check(
                "future-tokens-do-not-reach-the-past",
                "Changing a later token leaves earlier logits alone",
                outcome,
                9.0 * passed,
                9,
                counterexample=None if passed else case(),
                output="" if passed else "attn torch.Size([2, 3, 3])\n",
            ),
            check(
                "past-tokens-reach-the-present",
                "Every earlier token can move the logits",
                Outcome.PASSED,
                0,
                4,
                role=Role.GUARD,
            ),
            check("masking-bits", "Identical to the solution, bit for bit", outcome, 1.0 * passed, 1, role=Role.EXACT),
            check("large-scores", "Large scores stay finite and causal", Outcome.PASSED if progress else outcome, 5, 5),
        ),
    )


def _position(progress: int) -> ItemResult:
    passed = progress == 2
    return ItemResult(
        id="position",
        title="Positional addition",
        status=Status.FIXED if passed else Status.NOT_FIXED,
        score=15.0 * passed,
        max_score=15,
        lane=Lane.FLOAT64 if passed else Lane.BEHAVIOUR,
        summary="Where a token stands makes a difference." if passed else "Where a token stands makes no difference.",
        checks=(
            check(
                "same-token-differs-by-position",
                "The same token at two positions gives two different rows of logits",
                Outcome.PASSED if passed else Outcome.FAILED,
                15.0 * passed,
                15,
                counterexample=None
                if passed
                else case(seen="Rows 0 and 1 are equal:\n 0.4181 -1.2092\n 0.4181 -1.2092"),
            ),
        ),
    )


def _projection(progress: int) -> ItemResult:
    return ItemResult(
        id="projection",
        title="Output projection",
        status=Status.FIXED if progress else Status.NOT_FIXED,
        score=15.0 * (progress > 0),
        max_score=15,
        lane=Lane.BITWISE if progress else Lane.BEHAVIOUR,
        summary="Logits have one entry for each entry of the vocabulary."
        if progress
        else "Logits have the wrong width.",
        checks=(
            check(
                "logits-are-vocabulary-wide",
                "Logits have shape (B, T, V)",
                Outcome.PASSED if progress else Outcome.BROKEN,
                15.0 * (progress > 0),
                15,
                message="" if progress else "The forward raised RuntimeError.",
                counterexample=None if progress else case(grid=None, snippet=None, traceback=TRACEBACK),
            ),
        ),
    )


def _training(progress: int) -> ItemResult:
    return ItemResult(
        id="training-step",
        title="Training step",
        status=(Status.NOT_FIXED, Status.NOT_JUDGED, Status.FIXED)[progress],
        score=(0, 0, 15)[progress],
        max_score=15,
        lane=(Lane.BEHAVIOUR, Lane.BEHAVIOUR, Lane.FLOAT32)[progress],
        summary=("No parameter moves.", "The machine ran out of memory.", "Every step is the right one.")[progress],
        checks=(
            check(
                "every-parameter-moves",
                "Every parameter moves in one step",
                (Outcome.FAILED, Outcome.NOT_JUDGED, Outcome.PASSED)[progress],
                (0, 0, 15)[progress],
                15,
                message=("0 of 12 parameters moved.", "Could not start a worker: out of memory.", "")[progress],
            ),
        ),
    )


def _cache(progress: int) -> ItemResult:
    passed = progress == 2
    return ItemResult(
        id="kv-cache",
        title="Extension: key/value cache and incremental decoding",
        status=Status.BUILT if passed else Status.NOT_BUILT,
        score=20.0 * passed,
        max_score=20,
        lane=Lane.FLOAT64 if passed else Lane.BEHAVIOUR,
        summary="Cached decoding equals the full forward." if passed else "Cached decoding is not there yet.",
        checks=(
            check(
                "chunked-equals-full",
                "Decoding in chunks equals the full forward, however the tokens are split",
                Outcome.PASSED if passed else Outcome.TIMED_OUT,
                20.0 * passed,
                20,
                message="" if passed else "No answer within 10 s.",
            ),
            check(
                "hand-off",
                "A cache handed to a fresh process goes on where it stopped",
                Outcome.PASSED if passed else Outcome.BLOCKED,
                0,
                0,
                blocked_by=() if passed else ("masking", "position"),
                examples=1,
            ),
        ),
    )


def _classifier(progress: int) -> ItemResult:
    built = progress > 0
    return ItemResult(
        id="classifier",
        title="Extension: token classifier",
        status=Status.BUILT if built else Status.NOT_BUILT,
        score=20.0 * built,
        max_score=20,
        lane=Lane.BITWISE if built else Lane.BEHAVIOUR,
        summary="Odd and even are told apart." if built else "There is no classifier head yet.",
        checks=(
            check(
                "classifier-learns",
                "The head learns odd and even, and a map drawn for this grade",
                Outcome.PASSED if built else Outcome.BROKEN,
                20.0 * built,
                20,
                message="" if built else "not built yet: NotImplementedError: build me",
                unbuilt=not built,
                counterexample=None
                if built
                else Counterexample(claim="the code runs without an error", seen="NotImplementedError: build me"),
            ),
        ),
    )


HINTS = (
    "Change the last token of a sequence and look at the logits before it.",
    "The mask decides who may look at whom: print it for three tokens.",
    "Count the places above the diagonal that the mask leaves open.",
)

DIFF = """\
@@ -41,2 +41,3 @@
 def causal_mask(T, device):
-    return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=2)
+    allowed = torch.ones(T, T, dtype=torch.bool, device=device)
+    return allowed.triu(diagonal=1)  # <b>bold</b>
"""

CHANGES = (
    FileChange(file="helper.py", lines_before=None, lines_after=1, added=1, removed=0, diff="@@ -0,0 +1 @@\n+x = 1"),
    FileChange(file="model.py", lines_before=202, lines_after=203, added=2, removed=1, diff=DIFF, left_out=3),
    FileChange(file="old.py", lines_before=1, lines_after=None, added=0, removed=1, diff="@@ -1 +0,0 @@\n-x = 1"),
)

TRACEBACK = """\
Traceback (most recent call last):
  File "model.py", line 91, in forward
    logits = self.lm_head(self.ln_f(x)).view(tokens.shape[0], tokens.shape[1], self.config.vocab_size)
RuntimeError: shape '[2, 3, 7]' is invalid for input of size 30
"""


def _influence(leaking: bool) -> InfluenceExhibit:
    def entry(t: int, s: int, leak: bool) -> float:
        if s > t and not leak:
            return 0.0
        return 0.0 if (t, s) == (5, 1) else 1.7 * math.exp(-0.9 * abs(t - s)) * (1 + 0.3 * math.sin(5 * t + 3 * s))

    def matrix(leak: bool) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(entry(t, s, leak) for s in range(8)) for t in range(8))

    return InfluenceExhibit(tokens=(5, 0, 3, 9, 1, 7, 4, 2), candidate=matrix(leaking), reference=matrix(False))


def _exhibits(leaking: bool) -> Exhibits:
    steps = range(40)
    right = tuple(2.2 * math.exp(-step / 12) + 1.1 + 0.06 * math.sin(7 * step) for step in steps)
    rising = tuple(0.9 - 0.8 * math.exp(-step / 12) for step in steps)
    wrong: tuple[float | None, ...] = tuple(3.3 + 0.08 * math.sin(7 * step) for step in steps)
    return Exhibits(
        influence=_influence(leaking),
        training=TrainingExhibit(
            candidate=Curve(
                label="this candidate",
                losses=(*wrong[:30], None, None, *wrong[32:]) if leaking else right,
                accuracies=(*(0.1,) * 30, None, None, *(0.1,) * 8) if leaking else rising,
            ),
            reference=Curve(label=f"the solution {CANARY}", losses=right, accuracies=rising),
            variant=Curve(label=f"the solution without the optimizer step {CANARY}", losses=wrong) if leaking else None,
            first_divergence=Divergence(
                step=1, tensor=f"blocks.0.attn.query.weight {CANARY}", element=(2, 5), ulps=48213, actual="0.173205"
            )
            if leaking
            else None,
            note="The same batches, the same weights at the start.",
        ),
        flops=FlopsExhibit(
            lengths=(1, 8, 16, 24, 31),
            cached=(26_000, 27_000, 28_000, 29_000, 30_000),
            full=(26_000, 210_000, 430_000, 660_000, 870_000),
        ),
        cache=CacheExhibit(
            lengths=(1, 8, 16, 24, 31),
            layers=((32, 256, 512, 768, 992), (32, 256, 512, 512, 512) if leaking else (32, 256, 512, 768, 992)),
            expected=(32, 256, 512, 768, 992),
            element_bytes=4,
        ),
        parameters=ParameterExhibit(
            config={"vocab_size": 11, "d_model": 8},
            rows=(
                ParameterRow(name="token_embedding.weight", shape=(11, 8), expected=(11, 8)),
                ParameterRow(name="ln_f.weight", shape=None if leaking else (8,), expected=(8,)),
                ParameterRow(name="lm_head.weight", shape=(8, 8) if leaking else (11, 8), expected=(11, 8)),
                *((ParameterRow(name="lm_head.scale", shape=(), expected=None),) if leaking else ()),
            ),
            same_start=(False, False, False, False) if leaking else (True, True, True),
        ),
        ulps=UlpExhibit(
            forwards=4,
            counts=(10, 0, 0, 3, 20, 500, 200, 30, 0, 0, 0, 2) if leaking else (765,),
            largest=1500 if leaking else 0,
            incomparable=35 if leaking else 0,
        ),
        weighting=WeightingExhibit(
            steps=tuple(range(0, 80, 4)),
            constant=_objectives("constant weight", 0.05),
            balanced=_objectives("balanced by uncertainty", 0.9),
        ),
    )


def _objectives(label: str, weight: float) -> ObjectivesRun:
    steps = range(20)
    return ObjectivesRun(
        label=label,
        lm_norms=tuple(1.2 + 0.3 * math.sin(step) for step in steps),
        class_norms=tuple(0.4 + 0.1 * math.cos(step) for step in steps),
        weights=(weight,) * 20,
        cosines=tuple(0.2 * math.sin(3 * step) for step in steps),
        lm_losses=tuple(2.5 * math.exp(-step / 15) for step in steps),
        accuracies=tuple(1 - 0.5 * math.exp(-step * weight / 5) for step in steps),
    )


def _result(items: tuple[ItemResult, ...], score: float, bugs: tuple[str, ...]) -> Result:
    return Result(
        exercise=ExerciseInfo(id="gpt", title="Four bugs in a small GPT, and two extensions"),
        candidate=CandidateInfo(
            name="ada-lovelace",
            sha256="3f786850e387550fdab836ed7e6dc881de23001b4f1c2f3f0f2a9a4f7a1d2c0e",
            files=("model.py", "train.py"),
            tests=("test_visible.py",),
            tests_sha256="9b74c9897bac770ffc029102a200c5de1b3a5a1e0d6f0c4b6f1d7e2a9c5b8d30",
            notes=("weights.bin left out: only .py files are graded",),
        ),
        changes=CHANGES if items[0].score else (),
        score=score,
        max_score=100,
        items=items,
        followups=(
            FollowUp(
                id="ragged",
                title="Batches of prompts of different lengths",
                status=Status.NOT_BUILT,
                score=0,
                max_score=5,
                summary="Not built yet.",
                hints=() if items[0].score == items[0].max_score else HINTS,
                checks=(
                    check(
                        "ragged",
                        "Padding changes nothing",
                        Outcome.BROKEN,
                        0,
                        5,
                        message="not built yet: NotImplementedError",
                        unbuilt=True,
                        counterexample=Counterexample(
                            claim="the code runs without an error", seen="NotImplementedError", traceback=TRACEBACK
                        ),
                    ),
                ),
            ),
        ),
        remaining_bugs=bugs,
        exhibits=_exhibits(leaking=bool(bugs)),
        environment=Environment(
            grader="0.1.0",
            torch="2.13.0+cpu",
            python="3.11.2",
            platform="Linux 6.1 x86_64",
            cpu="AMD EPYC 7B13",
            threads=1,
            packages={"deepdiff": "9.0.0", "hypothesis": "6.155.7", "msgspec": "0.20.0", "numpy": "2.4.0"},
            seed=SEED,
            isolation=Isolation(
                mode="strict",
                layers=("no network", "no file may be written outside the scratch folder", "at most 2 GB of memory"),
                missing=("other processes are visible: this kernel has no process namespaces for ordinary users",),
            ),
        ),
        asked=Asked(only=("masking", "position"), thorough=False, timeout=10.0),
        integrity=Integrity(exercise="5e" * 32, grader="6a" * 32, environment="7b" * 32),
        trace=(
            Trace(
                comparison="forward",
                answers="8c" * 32,
                lane=Lane.BITWISE,
                bugs=bugs,
                parts=Parting(where="one forward", tensor="logits", element=(0, 1), ulps=3, actual="0.25"),
            ),
        ),
        seconds=41.3,
    )
