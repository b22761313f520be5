"""What a check takes for granted has to be said by an adapter.py, for no question can tell."""

from grader.checks.catalogue import CHECKS
from grader.injection.fit import unmet_assumptions


def test_a_check_that_assumes_something_is_asked_only_where_the_facts_say_it() -> None:
    unsaid = unmet_assumptions(CHECKS, {})

    assert unsaid == {check.id: f"it assumes {', '.join(sorted(check.assumes))}" for check in CHECKS if check.assumes}
    assert unsaid["activation-is-gelu"] == "it assumes activation: gelu"
    said = unmet_assumptions(CHECKS, {"activation": "gelu"})
    assert said == {check: why for check, why in unsaid.items() if check != "activation-is-gelu"}
    assert unmet_assumptions(CHECKS, {"activation": "relu"}) == unsaid
