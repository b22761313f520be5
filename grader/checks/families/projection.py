"""Checks of the output projection, of the parameters and of their initial values."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from grader.checks.ablation import logits_with
from grader.checks.agreement import closeness
from grader.checks.check import CheckFailed, Context, check
from grader.checks.compare import first_difference
from grader.checks.requirements import must_refuse
from grader.checks.snippets import model_snippet
from grader.checks.strategies import VOCABULARIES, WIDTHS, ModelCase, Sizes, few_rows, model_case, model_cases
from grader.packages.package import ask_both
from grader.result.record import TokenGrid
from grader.sandbox.questions import Configs, Forward, Gradients, Parameters, Settings
from grader.sandbox.wire import Tensors
from grader.sizes import MODEL, Extent, at_most


@check(cases=model_cases(lengths=(1, 7)), at_size=model_case, default=MODEL, examples=5)
def forward_runs(case: ModelCase, context: Context) -> None:
    """The model builds and runs for every configuration.

    ## Why it matters
    A sequence may be as short as one token or as long as the block, a vocabulary smaller or larger than the
    model is wide. A model that runs for one size only has its sizes mixed up.

    ## Usual causes
    - One size is used where another is meant, and the two happened to be equal.
    - A constant stands where the configuration should be read.
    """
    # One forward; the result has a row of float32 logits for each token.
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision="float32")
    logits = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    batch, length = case.token_array().shape
    if logits.ndim != 3 or logits.shape[:2] != (batch, length):
        raise CheckFailed(
            "shape",
            f"tokens of shape ({batch}, {length}) give logits of shape ({batch}, {length}, {case.vocab_size})",
            f"logits of shape {tuple(logits.shape)}",
        )
    if logits.dtype != "float32":
        raise CheckFailed("dtype", "a float32 model gives float32 logits", f"logits of dtype {logits.dtype}")


def one_layer(extent: Extent) -> ModelCase:
    """Two texts of these sizes, in a model of one layer."""
    return few_rows(at_most(extent, layers=1))


@check(cases=model_cases(), at_size=one_layer, examples=2)
def contract_errors(case: ModelCase, context: Context) -> None:
    """Sequences longer than block_size, and sizes that do not fit, are a ValueError; a full block is none.

    ## Why it matters
    An error that names the wrong value saves an hour. Without it the same mistake surfaces somewhere deep
    inside, or not at all.

    ## Usual causes
    - The check of the contract was removed or moved behind the code that crashes.
    - It is off by one, and refuses the longest sequence that there is room for.
    - Another kind of exception is raised, or an assert.
    """
    # A full block, one token too many and many, in both modes; and widths that the heads do not divide.
    full = np.resize(case.token_array(), (len(case.tokens), case.block_size))
    question = Forward(config=case.config, weights=case.seeded(context.seeds))
    context.ask(question, {"tokens.0": full})  # a model that cannot be built refuses everything
    for more in (1, 2 + case.weights % (3 * case.block_size)):
        length = case.block_size + more
        asked = replace(question, training=bool(case.weights % 2))
        what = f"T={length} with block_size={case.block_size}"
        must_refuse(context, asked, {"tokens.0": np.resize(full, (len(full), length))}, what, (case.block_size, length))
    for heads in sorted({case.d_model - 1, case.d_model + 1, *range(2, case.d_model)} - _divisors(case.d_model))[-4:]:
        odd = case.config | {"n_head": heads}
        what = f"d_model={case.d_model} with n_head={heads}"
        must_refuse(context, Parameters(config=odd, seed=0), {}, what, (case.d_model, heads))


def _divisors(number: int) -> set[int]:
    return {each for each in range(1, number + 1) if number % each == 0}


CONTRACT: Final[Mapping[str, int | float | str]] = MappingProxyType(
    {
        "vocab_size": 64,
        "block_size": 32,
        "n_layer": 2,
        "n_head": 1,
        "d_model": 32,
        "dropout": 0.0,
        "n_classes": 0,
        "position": "learned",
    }
)


class NoCase(Struct, frozen=True):
    """There is only one way to ask."""

    @property
    def config(self) -> Settings:
        """Nothing to configure."""
        return {}


@check(cases=st.builds(NoCase), examples=1)
def config_defaults(_: NoCase, context: Context) -> None:
    """GPTConfig keeps the contract's fields and defaults.

    ## Why it matters
    Code that was written against the contract builds models without naming every size. A default that changed
    gives it another model, silently.

    ## Usual causes
    - A size was changed to try something out, and left.
    - A field was renamed, or lost its default.
    """
    # The defaults as plain data. Fields beyond the contract's are free.
    require_defaults("GPTConfig", CONTRACT, context.ask(Configs(), {}))


def require_defaults(kind: str, contract: Mapping[str, int | float | str], answer: Tensors) -> None:
    """Require that a dataclass has these fields with these defaults."""
    defaults = {name: array.tobytes().decode() if array.ndim else array.item() for name, array in answer.items()}
    wrong = next((name for name, value in contract.items() if defaults.get(name) != value), None)
    if wrong is not None:
        raise CheckFailed(
            "defaults",
            f"{kind} has the fields and defaults of the contract",
            f"{wrong} is {defaults[wrong]!r}" if wrong in defaults else f"{wrong} has no default",
        )


HEAD: Final = "lm_head.weight"


def _logits_width_snippet(case: ModelCase) -> str:
    """Compare the shape."""
    return model_snippet(
        case,
        f"""
logits = model(tokens)
print(tuple(logits.shape))
assert logits.shape == (*tokens.shape, {case.vocab_size}), "expected one logit for each token of the vocabulary"
""",
    )


@check(
    cases=model_cases(),
    in_training=True,
    at_size=few_rows,
    default=MODEL,
    snippet=_logits_width_snippet,
    needs=(forward_runs,),
    examples=4,
)
def logits_width(case: ModelCase, context: Context) -> None:
    """There is one logit for each token of the vocabulary, whether it is smaller or larger than the model is wide.

    ## Why it matters
    Logits of another width are scores for tokens that do not exist, or no scores for tokens that do. The loss
    may not even notice: with a small vocabulary it only trains against some classes that never occur.

    ## Usual causes
    - The output projection maps to the model's width, or to another size of the configuration.
    - Input and output size of the projection are swapped.
    - Logits were padded or cut to fit.
    """
    # Logits have shape (B, T, V), and every column of the projection answers to its weights.
    question = Forward(config=case.config, weights=case.seeded(context.seeds), precision="float32")
    logits = context.ask(question, {"tokens.0": case.token_array()})["logits.0"]
    expected = (*case.token_array().shape, case.vocab_size)
    if logits.shape != expected:
        raise CheckFailed(
            "width",
            f"with vocab_size={case.vocab_size} the logits have shape {expected}",
            f"with d_model={case.d_model} they have shape {tuple(logits.shape)}",
        )
    constant = [column for column in range(case.vocab_size) if (logits[..., column] == logits[0, 0, column]).all()]
    if constant and logits.shape[0] * logits.shape[1] > 1 and len({*map(tuple, case.tokens)}) > 1:
        raise CheckFailed(
            "padding",
            "every column of the logits depends on the tokens",
            f"column {constant[0]} has the same value everywhere",
        )
    _require_a_row_each(case, context)


def _require_a_row_each(case: ModelCase, context: Context) -> None:
    """Columns that were repeated, or made up, have no row of the head's weights that they answer to."""
    question = Gradients(config=case.config, weights=case.seeded(context.seeds))
    head = context.ask(question, {"tokens": case.token_array()}).get(f"grad.{HEAD}")
    if head is None or head.shape != (case.vocab_size, case.d_model) or not head.any(axis=1).all():
        what = "no weights of that name move the logits"
        if head is not None:
            what = f"of {len(head)} rows {int(head.any(axis=1).sum())} move the logits"
        raise CheckFailed("no-row", f"every column of the logits has a row of its own in {HEAD} (V, C)", what)


class SizeCase(Sizes, frozen=True, kw_only=True):
    """The sizes of a model, and a seed to build it at; with ``deeper``, one that is larger still is built too."""

    seed: int
    deeper: bool = False


SIZES = st.builds(
    SizeCase,
    d_model=st.sampled_from(WIDTHS),
    vocab_size=st.sampled_from(VOCABULARIES),
    n_layer=st.integers(1, 3),
    block_size=st.sampled_from((2, 10, 13)),
    seed=st.integers(0, 999),
)


def size_case(extent: Extent) -> SizeCase:
    """A model of these sizes."""
    return SizeCase(
        d_model=extent.width,
        vocab_size=extent.words,
        n_layer=extent.layers,
        block_size=extent.tokens,
        seed=extent.draw % 1000,
        deeper=True,
    )


def _parameter_shapes_snippet(case: SizeCase) -> str:
    """Print the table; require the head's shape."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from model import GPT, GPTConfig

model = GPT(GPTConfig({settings}))
for name, p in model.named_parameters():
    print(f"{{name:32}} {{tuple(p.shape)}}")
assert model.lm_head.weight.shape == ({case.vocab_size}, {case.d_model}), "lm_head.weight must be (V, C)"
"""


@check(
    cases=SIZES,
    at_size=size_case,
    default=MODEL,
    snippet=_parameter_shapes_snippet,
    examples=3,
    assumes=frozenset({"names: contract"}),
)
def parameter_shapes(case: SizeCase, context: Context) -> None:
    """Parameters have the names and shapes that the contract lists.

    ## Why it matters
    A checkpoint is a table of names and shapes. If one differs, weights trained elsewhere no longer load.

    ## Usual causes
    - A layer was built with the wrong size.
    - A layer was renamed, added, tied to another, or kept in a plain list where PyTorch does not find it.
    """
    # Names and shapes, compared as plain data.
    question = Parameters(config=case.config, seed=case.seed)
    answer, expected = ask_both(context.candidate, context.reference, question, {})
    shapes, right = ({name: list(array.shape) for name, array in each.items()} for each in (answer, expected))
    if shapes != right:
        from deepdiff import DeepDiff  # a tenth of a second, for what is seldom wrong

        wrong = sorted(
            name for name in expected.keys() | answer.keys()
            if name not in answer or name not in expected or answer[name].shape != expected[name].shape
        )  # fmt: skip
        has = f"has shape {tuple(answer[wrong[0]].shape)}" if wrong[0] in answer else "is missing"
        if wrong[0] not in expected:
            has = "is not one of the contract's parameters"
        raise CheckFailed(
            "parameters",
            "parameter names and shapes are those of the contract",
            f"{wrong[0]} {has}" + (f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""),
            expected=DeepDiff(right, shapes).pretty(),
        )


def _head_alone_scores_snippet(case: ModelCase) -> str:
    """Double the head."""
    return model_snippet(
        case,
        """
before = model(tokens)
model.lm_head.weight *= 2
off = (model(tokens) - 2 * before).abs().amax(dim=(0, 1))  # (V,)
print(off)
assert (off <= 1e-9).all(), "twice the weights of the head do not give twice the logits"
""",
    )


@check(
    cases=model_cases(),
    snippet=_head_alone_scores_snippet,
    needs=(forward_runs, parameter_shapes),
    examples=3,
)
def head_alone_scores(case: ModelCase, context: Context) -> None:
    """The logits come from the head and nothing else: twice its weights give twice the logits.

    ## Why it matters
    The head has a row for each token, trained to score it. Logits that are made with another matrix of that shape, or
    to which something is added, look like any others until weights are loaded that were trained elsewhere.

    ## Usual causes
    - The token embedding is used in place of the head, as in models that tie the two.
    - The head has a bias.
    """
    # The head's weights are doubled.
    single, double = logits_with(case, context, {}), logits_with(case, context, {"lm_head.weight": 2.0})
    if closeness(double, 2 * single) is None:
        raise CheckFailed(
            "not-the-head",
            "the logits are the head's, and double with its weights",
            "with twice the weights in lm_head.weight the logits are not twice as large",
            grid=TokenGrid(tokens=case.tokens),
        )


@check(cases=SIZES, at_size=size_case, default=MODEL, examples=2, after="every-parameter-learns")
def same_init(case: SizeCase, context: Context) -> None:
    """Built from the same seed, every parameter starts with the same bits as the reference's.

    ## Why it matters
    Two runs can only be compared step by step if they start from the same place. One layer built in another
    order, or with another size, shifts every random number after it.

    ## Usual causes
    - A layer was built with the wrong size, so that all later draws differ.
    - Layers are built or initialised in another order.
    - The initialisation itself was changed.
    """
    # Same seed, same bits, with dropout too: it draws nothing here.
    config = case.config | {"dropout": case.seed % 3 / 5}
    _require_same_start(config, case.seed, context)
    if case.deeper:
        deeper = config | {"n_layer": 6 + case.seed % 4, "d_model": 64 + case.seed % 9}
        _require_same_start(deeper, case.seed, context)


def _require_same_start(config: Settings, seed: int, context: Context) -> None:
    question = Parameters(config=config, seed=seed)
    answer, expected = ask_both(context.candidate, context.reference, question, {})
    difference = first_difference(answer, {name: expected[name] for name in sorted(expected)})
    if difference is not None:
        raise CheckFailed(
            "init",
            "the same seed gives the same initial parameters, bit for bit",
            f"{difference.tensor} is the first that differs, at {list(difference.element) or 'its shape'}"
            f": {difference.actual}",
            expected=difference.expected,
        )
