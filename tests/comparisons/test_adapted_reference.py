"""Called as an adapter.py says, a model that keeps the contract answers bit for bit what it answers by the contract."""

from collections.abc import Iterator

import pytest

from grader.checks.compare import first_difference
from grader.comparisons.catalogue import BY_ID
from grader.exercise.model import Exercise
from grader.grading.answer_cache import trusted
from grader.packages.package import Package
from grader.packages.trouble import PackageMisanswered
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from grader.seeds import Seeds

SEEDS = Seeds(5, "candidate")
ADAPTER = """
NAMES = {}


def build(model, sizes):
    return model.GPT(model.GPTConfig(**vars(sizes)))


def logits(net, tokens):
    return net(tokens)


def decode(net, tokens, cache):
    return net.forward_incremental(tokens, cache)


def pack(cache):
    return [(layer.k, layer.v) for layer in cache.layers]


def unpack(layers):
    from model import KVCache, LayerKV

    return KVCache(tuple(LayerKV(k, v) for k, v in layers))


def classify(net, tokens):
    return net(tokens, classify=True)


def generate(net, prompt, count, use_cache):
    return net.generate(prompt, count, use_cache=use_cache)


def optimizer(train, net, settings):
    return train.make_optimizer(net, settings)


def rate(train, number, settings):
    return train.learning_rate(number, settings)


def step(train, net, optimizer, batch, settings, number):
    return train.train_step(net, optimizer, batch, settings, number)


def loss(train, net, batch):
    return train.loss_fn(net, batch)[0]


def evaluate(train, net, batches):
    return train.evaluate(net, batches)
"""
ALIKE = (
    "forward", "extremes", "gradients", "heads", "modes", "decoding", "training", "errors",
    "several-heads", "parameters", "loss", "evaluation", "rates", "loop",
)  # fmt: skip


@pytest.fixture(scope="module")
def two(exercise: Exercise, launcher: Launcher) -> Iterator[tuple[Package, Package]]:
    """The reference, by the contract and by an adapter.py."""
    by_contract, adapted = WorkerPool(launcher), WorkerPool(launcher, adapter=ADAPTER)
    files = {**exercise.reference, "adapter.py": ADAPTER}
    yield trusted(by_contract, "by the contract", exercise.reference), trusted(adapted, "adapted", files)
    by_contract.close()
    adapted.close()


@pytest.mark.parametrize("comparison", ALIKE)
def test_the_reference_answers_alike_by_the_contract_and_by_an_adapter(
    comparison: str, two: tuple[Package, Package]
) -> None:
    for asked in BY_ID[comparison].questions(SEEDS, "float32"):
        one, other = (BY_ID[comparison].ask(package, asked) for package in two)

        assert one
        assert first_difference(other, one) is None


@pytest.mark.parametrize("comparison", ["ragged", "schemes", "initialisation", "weighting"])
def test_what_an_adapter_does_not_have_is_refused(comparison: str, two: tuple[Package, Package]) -> None:
    _, adapted = two

    def ask() -> None:
        for asked in BY_ID[comparison].questions(SEEDS, "float32"):
            BY_ID[comparison].ask(adapted, asked)

    with pytest.raises(PackageMisanswered, match=r"adapter\.py|keeps the contract"):
        ask()
