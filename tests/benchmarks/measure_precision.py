"""How far right solutions are from each other, in each precision: what the tolerances for it rest on.

    python tests/benchmarks/measure_precision.py [DRAWS]

Every right way to write attention and the model that `tests/verdicts/honest/` knows is asked what the reference is
asked, with the same weights, at several lengths. A distance is the largest difference of any number, over the largest
number of the same kind: logits, or gradients of all parameters. It is given in units of the precision's epsilon, the
largest over all draws; `near` compares with the reference in the same precision, `true` with the reference in float64.
"""

import runpy
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
import torch

from grader.checks.stability_cases import QUERY_SCALE
from grader.exercise.model import builtin_exercise
from grader.sandbox.questions import Gradients, Precision, Weights
from grader.sandbox.wire import Tensors
from grader.sandbox.worker.contract import ContractAdapter
from grader.sandbox.worker.model_answers import gradients

HONEST: Final = Path(__file__).resolve().parents[1] / "verdicts" / "honest"
SUBJECTS: Final = ("attention", "model", "stability")
EPSILON: Final[Mapping[Precision, float]] = {
    "float64": float(torch.finfo(torch.float64).eps),
    "float32": float(torch.finfo(torch.float32).eps),
    "bfloat16": float(torch.finfo(torch.bfloat16).eps),
}
LENGTHS: Final[Mapping[Precision, tuple[int, ...]]] = {
    "float64": (8, 300, 1024),
    "float32": (8, 300, 4096),
    "bfloat16": (8, 300, 4096),
}


def main(draws: int) -> None:
    """Print a line for each precision and length: the largest distances, and whose they are."""
    torch.set_num_threads(1)
    reference = builtin_exercise().reference["model.py"]
    rewrites = {name: module(text) for name, text in rewritten(reference)}
    for precision, lengths in LENGTHS.items():
        for length in lengths:
            report(rewrites, precision, length, draws if length < 1000 else 1 + draws // 10)


def report(rewrites: Mapping[str, ModuleType], precision: Precision, length: int, draws: int) -> None:
    """One line, and one for each rewrite that stands out or gives no answer."""
    worst: dict[str, dict[str, float]] = {}
    for draw in range(draws):
        tensors = {"tokens": np.random.default_rng(draw).integers(0, 11, (1, length))}
        near = answer(rewrites["the-reference-itself"], precision, length, draw, tensors)
        true = answer(rewrites["the-reference-itself"], "float64", length, draw, tensors)
        for name, rewrite in rewrites.items():
            found = worst.setdefault(name, {})
            try:
                given = answer(rewrite, precision, length, draw, tensors)
            except Exception as error:
                found[f"{type(error).__name__}: {error}"[:100]] = np.inf
                continue
            for against, expected in (("near", near), ("true", true)):
                for kind, distance in distances(given, expected).items():
                    key = f"{against} {kind}"
                    found[key] = max(found.get(key, 0.0), distance / EPSILON[precision])
    for key in sorted({key for found in worst.values() for key in found}):
        ranked = sorted(((found.get(key, 0.0), name) for name, found in worst.items()), reverse=True)
        shown = ", ".join(f"{distance:.3g} {name}" for distance, name in ranked[:3])
        print(f"{precision:9} T={length:<5} {key:15} {shown}", flush=True)


def distances(given: Tensors, expected: Tensors) -> dict[str, float]:
    """The largest distance of the logits, and of the gradients."""
    kinds = {"logits": ["logits"], "gradients": [name for name in expected if name != "logits"]}
    return {
        kind: max(float(np.abs(given[name].astype(np.float64) - expected[name]).max()) for name in names)
        / max(float(np.abs(expected[name]).max()) for name in names)
        for kind, names in kinds.items()
    }


def answer(package: ModuleType, precision: Precision, length: int, draw: int, tensors: Tensors) -> Tensors:
    """Logits and gradients of one narrow layer."""
    config: dict[str, int | float | str] = {"vocab_size": 11, "block_size": length, "n_layer": 1, "d_model": 8}
    question = Gradients(
        config=config, weights=Weights(draw, query_scale=QUERY_SCALE), precision=precision, with_logits=True
    )
    return gradients(ContractAdapter(lambda _: package), question, tensors)


def rewritten(reference: str) -> Iterator[tuple[str, str]]:
    """Every right way to write model.py that still fits the reference and needs no other file."""
    for subject in SUBJECTS:
        tables = runpy.run_path(str(HONEST / f"{subject}.py"))
        for table in ("SAME_BITS", "OTHER_BITS"):
            for name, change in tables[table].items():
                replaced = change.get("model.py", [])
                in_this_file = all(reference.count(old) == 1 for old, _ in replaced)  # not in the follow-ups
                if change.keys() <= {"model.py"} and in_this_file and "compiled" not in name:
                    text = reference
                    for old, new in replaced:
                        text = text.replace(old, new)
                    yield name, text


def module(text: str) -> ModuleType:
    """A module made of that text."""
    made = ModuleType(f"model_{abs(hash(text))}")
    sys.modules[made.__name__] = made
    exec(compile(text, "model.py", "exec"), vars(made))
    return made


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
