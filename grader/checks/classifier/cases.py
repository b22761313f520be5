"""Cases for the classifier: a model case with a number of classes.

The vocabulary is smaller than the model is wide, so that targets fit the logits whatever width a wrong
output projection gives them.
"""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from grader.checks.strategies import ModelCase, extended, model_case, model_cases
from grader.extent import Extent, at_most
from grader.sandbox.questions import Settings


class ClassCase(ModelCase, frozen=True, kw_only=True):
    """A model with a classifier head. ``data`` picks targets and labels."""

    n_classes: int
    data: int

    @property
    def config(self) -> Settings:
        """GPTConfig fields."""
        return super().config | {"n_classes": self.n_classes}

    @property
    def scored(self) -> int:
        """How many words have a score, whatever width a wrong output projection gives the logits: targets fit."""
        return min(self.vocab_size, self.d_model)

    @property
    def headless(self) -> Settings:
        """The same model without a head."""
        return super().config


@st.composite
def class_cases(draw: DrawFn, *, lengths: tuple[int, int] = (2, 5), distinct: bool = False) -> ClassCase:
    """Models with 2 or 3 classes; V < C."""
    case = draw(model_cases(lengths=lengths, rows=(1, 2), distinct=distinct, narrow=True))
    return extended(case, ClassCase, n_classes=draw(st.sampled_from((2, 3))), data=draw(st.integers(0, 999)))


def class_case(extent: Extent, *, distinct: bool = False) -> ClassCase:
    """A model of these sizes, with a head."""
    case = model_case(extent, distinct=distinct)
    return extended(case, ClassCase, n_classes=extent.classes, data=extent.draw % 1000)


def few_classified(extent: Extent) -> ClassCase:
    """The same, beyond the default sizes with two rows at most."""
    return class_case(at_most(extent, rows=2) if extent.draw else extent)


def broad_class_case(extent: Extent) -> ClassCase:
    """The same with one layer: for what depends on how large a batch is."""
    return class_case(at_most(extent, layers=1))
