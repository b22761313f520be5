"""The learner's view of a result: the same verdict, and nothing that belongs to the hidden reference."""

from msgspec.structs import replace

from grader.record import Audience, CheckResult, Exhibits, ItemResult, Result


def for_audience(result: Result, audience: Audience) -> Result:
    """The result as ``audience`` may see it. A learner's result stays a learner's: what is gone is gone."""
    if audience is Audience.INSTRUCTOR:
        return result
    return replace(
        result,
        audience=Audience.LEARNER,
        items=tuple(_item(item) for item in result.items),
        followups=tuple(replace(f, checks=tuple(_check(c) for c in f.checks)) for f in result.followups),
        exhibits=_exhibits(result.exhibits),
        environment=replace(result.environment, seed=None),
    )


def _item(item: ItemResult) -> ItemResult:
    return replace(item, checks=tuple(_check(check) for check in item.checks))


def _check(check: CheckResult) -> CheckResult:
    if check.counterexample is None:
        return check
    return replace(check, counterexample=replace(check.counterexample, hidden=None))


def _exhibits(exhibits: Exhibits) -> Exhibits:
    influence, training = exhibits.influence, exhibits.training
    return replace(
        exhibits,
        influence=influence and replace(influence, reference=None),
        training=training and replace(training, reference=None, variant=None, first_divergence=None),
    )
