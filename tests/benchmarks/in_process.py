"""The same checks as a plain pytest file would run them: in one process, without launcher, worker or lock.

    python -m pytest tests/benchmarks/in_process.py

This is what a user would write instead of the grader, and what isolation has to be measured against.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest
import torch

from grader.checks.catalogue import CHECKS
from grader.checks.check import Check, Context
from grader.grading.search import Failure, search
from grader.packages.trouble import PackageRaised
from grader.sandbox.questions import AnyQuestion, Raised
from grader.sandbox.wire import Tensors
from grader.sandbox.worker.contract import ContractAdapter
from grader.sandbox.worker.serve import answer_of
from grader.seeds import Seeds

REFERENCE = Path(__file__).resolve().parents[2] / "reference"
FILES = ("model", "followups", "train")


class InProcess:
    """Answers questions right here. It has the parts of ``Package`` that checks use, and those of the worker's package
    that answers use."""

    has_adapter = False
    files: Mapping[str, str] = MappingProxyType({})  # there are no variants here

    def __init__(self, modules: Mapping[str, ModuleType] | None = None) -> None:
        self._given = modules
        self._modules = modules or {name: _load(name) for name in FILES}
        self.adapter = ContractAdapter(self.module)

    def module(self, name: str) -> ModuleType:
        """What the worker's handlers ask a package for."""
        return self._modules[name]

    def settings_changed(self, *, by_train: bool) -> str:
        """What importing them has changed of torch's settings: nothing that is timed here does."""
        return ""

    def ask(self, question: AnyQuestion, tensors: Tensors) -> Tensors:
        """The answer, computed in this process."""
        torch.manual_seed(0)
        try:
            return answer_of(self, question, tensors)  # type: ignore[arg-type]
        except Exception as error:
            bases = tuple(base.__name__ for base in type(error).__mro__)
            raised = Raised(type=type(error).__name__, bases=bases, message=str(error), by_raise=False, traceback="")
            raise PackageRaised(raised) from None

    def send(self, question: AnyQuestion, tensors: Tensors) -> None:
        """Ask, and keep the answer for ``receive``."""
        self._answer = self.ask(question, tensors)

    def receive(self) -> Tensors:
        """The answer to what was sent."""
        return self._answer

    def another(self) -> "InProcess":
        """There is no other process."""
        return InProcess(self._given)

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None: ...


def failure(check: Check, candidate: InProcess, reference: InProcess, *, shrink: bool) -> Failure | None:
    """What a check finds wrong with a package in this process, beside the reference in the same one."""
    context = Context(
        candidate=candidate,  # type: ignore[arg-type]
        variant=reference,  # type: ignore[arg-type]
        reference=reference,  # type: ignore[arg-type]
        fresh_candidate=candidate.another(),  # type: ignore[arg-type]
        seeds=Seeds(1, "in process"),
        variants=lambda: [reference],  # type: ignore[list-item]
    )
    cases, examples = check.cases, check.examples
    return search(cases, lambda case: check.holds(case, context), seed=1, examples=examples, shrink=shrink).failure


def _load(name: str) -> ModuleType:
    """A file of the reference under a name of its own: what a benchmark grades has the plain names."""
    text = (REFERENCE / f"{name}.py").read_text("utf-8")
    for file in FILES:
        text = text.replace(f"from {file} import", f"from plain_{file} import")
    module = sys.modules[f"plain_{name}"] = ModuleType(f"plain_{name}")
    exec(compile(text, f"{name}.py", "exec"), vars(module))
    return module


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_the_reference_passes_every_check(check: Check) -> None:
    package = InProcess()

    assert failure(check, package, package, shrink=True) is None
