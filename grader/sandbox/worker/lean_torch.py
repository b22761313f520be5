"""A torch that is lean enough for a worker: without the compiler and the devices that a locked one does not have.

``torch._dynamo`` is kept out: the first optimizer imports it, which costs as much as half of ``import torch``.
Optimizers only ask it for two no-ops. ``torch.compile`` needs a compiler and a writable disk, neither of
which a locked worker has, so here it hands back what it is given: the same function, run eagerly.
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import torch


def _same(model: Any = None, **_: Any) -> Any:
    """``compile(f)``, ``@compile`` and ``@compile(mode=...)``, each giving the function itself."""
    return model if model is not None else lambda function: function


def _disable(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    return function if function is not None else lambda inner: inner


def _graph_break(*_: Any, **__: Any) -> None: ...


def _nothing(name: str) -> Any:
    """Whatever else is asked of a compiler is taken as a decorator or a call for its effect: both do nothing."""
    _refuse_what_modules_are_asked(name)
    return _disable


def _refuse_what_modules_are_asked(name: str) -> None:
    """Some libraries go through all modules that there are and ask each for its file or its documentation."""
    if name.startswith("__"):
        raise AttributeError(name)


class _Config:
    """Settings of a compiler that is not there: any can be written, and all read as off."""

    def __getattr__(self, name: str) -> bool:
        _refuse_what_modules_are_asked(name)
        return False


def run_eagerly() -> None:
    """Put a stand-in in the place of ``torch._dynamo`` and make ``torch.compile`` the identity."""
    stand_in = ModuleType("torch._dynamo", __doc__)
    vars(stand_in).update(
        config=_Config(),
        disable=_disable,
        graph_break=_graph_break,
        is_compiling=lambda: False,
        optimize=lambda *_, **__: _disable,
        reset=_graph_break,
        __getattr__=_nothing,
    )
    sys.modules["torch._dynamo"] = stand_in
    # torch.use_deterministic_algorithms also tells the compiler's other half, which cannot be imported without it.
    inductor = ModuleType("torch._inductor", __doc__)
    vars(inductor).update(config=_Config())
    sys.modules |= {"torch._inductor": inductor, "torch._inductor.config": vars(inductor)["config"]}
    vars(torch).update(_dynamo=stand_in, _inductor=inductor, compile=_same)
    torch.nn.Module.compile = lambda self, *_, **__: None  # type: ignore[method-assign]


def seed_no_absent_devices() -> None:
    """Have ``torch.manual_seed`` pass over devices that this torch was not built for.

    Otherwise it formats the stack at each call, to be shown should the device ever be initialised: a hundred times the
    work of seeding, and a model is seeded a few hundred times a grade.
    """
    for name in ("cuda", "xpu", "mtia"):
        device = getattr(torch, name)
        if hasattr(device, "manual_seed_all") and not device._is_compiled():
            device.manual_seed_all = _seed_nothing


SEEMING_THREADS: Final = 2  # of a worker, which has one: a call that sets it to one is seen


def note_threads() -> None:
    """Have torch note how many threads it is told to use, and go on with those that it has.

    A candidate that asks for more threads would be killed by the lock; here the question is moot.
    """
    told = [SEEMING_THREADS]

    def tell(number: int) -> None:
        told[0] = int(number)

    vars(torch).update(set_num_threads=tell, get_num_threads=lambda: told[0], set_num_interop_threads=lambda _: None)


def _seed_nothing(seed: int) -> None:
    int(seed)
