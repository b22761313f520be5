"""Questions that a right package refuses: that it does is the answer."""

import numpy as np

from grader.comparisons.comparison import Asked, of
from grader.packages.package import Package
from grader.packages.trouble import PackageMisanswered, PackageRaised
from grader.sandbox.questions import AnyQuestion, ModelQuestion, Parameters
from grader.sandbox.wire import Tensors


def refused(package: Package, asked: Asked) -> Tensors:
    """``refused``: 1 where the question is met with a ValueError, 0 where it is answered or breaks in another way."""
    refusal = False
    try:
        package.ask(*asked)
    except PackageRaised as raised:
        refusal = raised.is_a("ValueError")
    except PackageMisanswered:
        pass
    return {"refused": np.array([int(refusal)])}


def describe(question: AnyQuestion) -> str:
    """``what has to be refused with vocab_size=5, ...``."""
    assert isinstance(question, ModelQuestion | Parameters)
    return f"what has to be refused with {of(question.config)}"
