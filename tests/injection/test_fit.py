"""What a check takes for granted, and how large a model may be, an adapter.py has to say: no question can tell."""

from pathlib import Path

import pytest

from grader.checks.catalogue import BY_ID, CHECKS
from grader.injection.fit import unmet_assumptions
from grader.injection.observe import Observer
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "nano"
LIMITED = "    assert sizes.block_size <= 40, sizes.block_size\n    return model.GPT("


def test_a_check_that_assumes_something_is_asked_only_where_the_facts_say_it() -> None:
    unsaid = unmet_assumptions(CHECKS, {})

    assert unsaid == {check.id: f"it assumes {', '.join(sorted(check.assumes))}" for check in CHECKS if check.assumes}
    assert unsaid["activation-is-gelu"] == "it assumes activation: gelu"
    said = unmet_assumptions(CHECKS, {"activation": "gelu"})
    assert said == {check: why for check, why in unsaid.items() if check != "activation-is-gelu"}
    assert unmet_assumptions(CHECKS, {"activation": "relu"}) == unsaid


@pytest.mark.slow  # a worker builds models of sizes that a grade would draw
@pytest.mark.parametrize(("largest", "fails"), [("", True), ('\nLARGEST = {"block_size": 40}\n', False)])
def test_a_model_that_cannot_be_larger_is_asked_within_what_its_adapter_permits(
    largest: str, fails: bool, launcher: Launcher
) -> None:
    files = {path.name: path.read_text("utf-8") for path in EXAMPLE.glob("*.py")}
    adapter = files["adapter.py"].replace("    return model.GPT(", LIMITED) + largest
    pool = WorkerPool(launcher, adapter=adapter)
    try:
        observer = Observer(pool, files | {"adapter.py": adapter}, [BY_ID["future-is-hidden"]], [1], (), at_sizes=True)
        with observer.reference_again() as again:
            faults = observer.faults(again)
    finally:
        pool.close()

    assert bool(faults) is fails
    assert all("AssertionError" in fault for fault in faults.values())
