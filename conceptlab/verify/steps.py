"""Two optimizers side by side, an implementation and torch's: settings, parameters, gradients, steps."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.core import Tiered
from conceptlab.verify import torch_samples
from conceptlab.verify.closeness import check_same
from conceptlab.verify.optimizer_settings import PROGRAMS
from conceptlab.verify.tally import NotApplicable, of_torch, or_none
from conceptlab.verify.target import Target

checked = torch.sparse.check_sparse_tensor_invariants
"""A block in which sparse tensors are checked: torch warns of whoever does not say whether they are."""


@contextmanager
def in_double() -> Iterator[None]:
    """Make float64 the default dtype: the step count is in it, and torch computes with that. Check sparse tensors."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with checked():
            yield
    finally:
        torch.set_default_dtype(before)


def argument_names(cls: type) -> set[str]:
    """The names that a constructor takes; of one that passes keywords on, those of the class above it."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in base.__dict__:
            continue
        parameters = inspect.signature(base.__dict__["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return names - {"self"}


def only_known(target: Target, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that torch's constructor has, too."""
    names = argument_names(target.builtin)
    return {name: value for name, value in kwargs.items() if name in names}


def built(target: Target, params: Any, kwargs: Mapping[str, Any]) -> Optimizer:
    """The target's optimizer.

    Raises:
        NotApplicable: it does not offer the choice of a program that the arguments make.
    """
    missing = {name for name in PROGRAMS if name in kwargs} - argument_names(target.implementation)
    if chosen := [name for name in missing if kwargs[name]]:
        raise NotApplicable(f"its constructor has no {chosen[0]}, which is a choice of torch's")
    known = {name: value for name, value in kwargs.items() if name not in missing}
    extra = {"tier": target.tier} if issubclass(target.implementation, Tiered) and target.tier else {}
    return target.implementation(params, **known, **extra)


def pair(target: Target, params: Callable[[], Any], kwargs: Mapping[str, Any]) -> tuple[Optimizer, Optimizer]:
    """The target's optimizer and torch's, each with parameters of its own."""

    def own() -> dict[str, Any]:
        default = torch.get_default_dtype()
        return {k: v.to(default, copy=True) if isinstance(v, Tensor) else copy.copy(v) for k, v in kwargs.items()}

    theirs = of_torch(lambda: target.builtin(target.moved(params()), **own()))
    return built(target, target.moved(params()), own()), theirs


def parameters(optimizer: Optimizer) -> list[Tensor]:
    """All parameters, group by group."""
    return [p for group in optimizer.param_groups for p in group["params"]]


def all_kinds() -> list[Parameter]:
    """Parameters that are small, large, of no axis, empty, strided in other ways, complex."""
    generator = torch.Generator().manual_seed(3)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return [
        Parameter(draw(3, 4)),
        Parameter(draw()),
        Parameter(draw(5, 0)),
        Parameter(draw(135, 1000)),
        Parameter(draw(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)),
        Parameter(draw(363, 363).t()),
        Parameter(draw(66_000)),
        Parameter(draw(66_000)),
        Parameter(draw(7)[::2]),
        Parameter(torch.complex(draw(4), draw(4))),
    ]


def kinds_for(target: Target) -> list[Parameter]:
    """`all_kinds`, without the large ones where a step evaluates the loss many times."""
    few = torch_samples.optimizer_needs(target.part).closure
    return [parameter for parameter in all_kinds() if not few or parameter.numel() < 1000]


def taken(target: Target, params: Iterable[Parameter]) -> list[Parameter]:
    """Those that torch's optimizer takes by themselves: Muon only matrices, some no complex numbers."""

    def try_it(parameter: Parameter) -> bool:
        advance(target, target.builtin(target.moved([Parameter(parameter.detach().clone())])), seed=0)
        return True

    return [parameter for parameter in params if or_none(lambda p=parameter: try_it(p))]


def points() -> list[Parameter]:
    """Where `objective` starts."""
    generator = torch.Generator().manual_seed(0)
    return [Parameter(torch.randn(shape, generator=generator)) for shape in ((2, 4), (2, 5))]


def objective(x: Tensor, z: Tensor) -> Tensor:
    """A quadratic bowl of condition 30, and Rosenbrock's valley from five starting points."""
    a, b = z
    return (_bowl(x) * (x - 1) ** 2).sum() / 2 + ((1 - a) ** 2 + 10 * (b - a * a) ** 2).sum() / 50


def slopes(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of ``objective``."""
    a, b = z
    off = b - a * a
    return _bowl(x) * (x - 1), torch.stack([a - 1 - 20 * a * off, 10 * off]) / 25


def wind(x: Tensor, step: int) -> Tensor:
    """What is added to the gradients of a trajectory: it turns with every step.

    Without it the gradients vanish near a minimum, and an optimizer that divides by their size makes steps of what is
    left of them: rounding, by which two right implementations part.
    """
    return torch.cos(1.3 * step + torch.arange(x.numel(), dtype=x.dtype, device=x.device)).view_as(x)


def _bowl(x: Tensor) -> Tensor:
    return torch.linspace(0.1, 3, x.numel(), dtype=x.dtype, device=x.device).view_as(x)


Evaluated = tuple[Callable[[], Tensor], Sequence[Tensor | None]]
"""What gives the loss, for the few optimizers that ask for it; and the gradients."""


def step_along(target: Target, optimizer: Any, evaluate: Callable[[], Evaluated]) -> Any:
    """Take a step, with the loss and the gradients that ``evaluate`` gives, in the form that the optimizer asks for."""
    needs = torch_samples.optimizer_needs(target.part)

    def closure() -> Callable[[], Tensor]:
        loss, grads = evaluate()
        for p, grad in zip(parameters(optimizer), grads, strict=True):
            p.grad = grad.to_sparse() if grad is not None and needs.sparse else grad
        return loss

    with checked():
        if needs.closure:
            return optimizer.step(lambda: closure()())
        closure()
        return optimizer.step()


def random_gradients(
    params: Iterable[Tensor], seed: int, skip: Sequence[int] = (), rounded: torch.dtype | None = None
) -> list[Tensor | None]:
    """Gradients laid out as the parameters are, none for those whose numbers are in ``skip``."""
    generator = torch.Generator().manual_seed(seed)
    grads: list[Tensor | None] = []
    for number, p in enumerate(params):
        grad = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        if p.is_complex():
            grad = torch.complex(grad, torch.randn(p.shape, generator=generator, dtype=torch.float64))
        grads.append(None if number in skip else torch.empty_like(p).copy_(grad.to(rounded or grad.dtype)).detach())
    return grads


def advance(
    target: Target, optimizer: Optimizer, seed: int, skip: Sequence[int] = (), rounded: torch.dtype | None = None
) -> Any:
    """A step along random gradients; where a closure is asked for, towards the minimum of a bowl."""
    params = parameters(optimizer)
    slope = random_gradients(params, seed, skip, rounded)
    if not torch_samples.optimizer_needs(target.part).closure:
        return step_along(target, optimizer, lambda: (lambda: torch.zeros(()), slope))

    def height() -> Tensor:
        heights = [
            (p.detach() * (p.detach() / 2 + g).conj()).real.sum()
            for p, g in zip(params, slope, strict=True)
            if g is not None
        ]
        return torch.stack([h.double() for h in heights]).sum() if heights else torch.zeros(())

    def bowl() -> Evaluated:
        grads = [None if g is None else g + p.detach() for p, g in zip(params, slope, strict=True)]
        return height, grads

    return step_along(target, optimizer, bowl)


def check_alike(ours: Optimizer, theirs: Optimizer, where: str, *, names: bool = True) -> None:
    """Check parameters and state. Without ``names``, a state that is kept in another form is left to another check."""
    check_same([p.detach() for p in parameters(ours)], [p.detach() for p in parameters(theirs)], f"{where}: parameters")
    received, expected = (_numbers(optimizer.state_dict()["state"]) for optimizer in (ours, theirs))
    alike = tree_flatten(received)[1] == tree_flatten(expected)[1]
    if names and not alike:
        check_same(str(tree_flatten(received)[1]), str(tree_flatten(expected)[1]), f"{where}: names in the state")
    if alike:
        check_same(received, expected, f"{where}: state")


def _numbers(state: Mapping[int, Mapping[str, Any]]) -> Any:
    """The state in one order, with numbers as tensors, so that they are compared within the bound."""
    ordered = {number: dict(sorted(entries.items())) for number, entries in sorted(state.items())}
    return tree_map(lambda v: torch.tensor(v, dtype=torch.float64) if isinstance(v, float) else v, ordered)
