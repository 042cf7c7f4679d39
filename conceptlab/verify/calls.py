"""Calling two implementations alike: fresh copies of the inputs, the same seed, a random upstream gradient."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from conceptlab.verify.elsewhere import refuse_as_on_cpu

SEED = 20
Layout = Callable[[Tensor], Tensor]


def reseed(seed: int = SEED) -> None:
    """Start the random numbers of the CPU, and of the GPUs if they are in use, anew.

    ``torch.manual_seed`` does so for every kind of device, and keeps the call stack, in words, for each that is not in
    use: up to 4 ms, and a check has thousands of calls.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


@dataclass
class Outcome:
    """What one call did.

    Attributes:
        output: the result.
        arguments: the arguments after the call, where in-place effects and running statistics show.
        leaves: the tensors that the result is differentiated by.
    """

    output: Any
    arguments: Any
    leaves: list[Tensor]

    @property
    def differentiable(self) -> list[Tensor]:
        """The result's tensors that have a derivative."""
        return [t for t in tree_flatten(self.output)[0] if isinstance(t, Tensor) and t.requires_grad]


def run(
    function: Callable,
    args: tuple,
    kwargs: Any,
    *,
    layout: Layout | None = None,
    dtype: torch.dtype | None = None,
    leaves_first: bool = False,
) -> Outcome:
    """Call ``function`` on copies of the arguments, seeded. A tensor that comes twice is one tensor afterwards, too.

    ``layout`` is applied to each floating-point tensor on its way in, and ``dtype`` converts it. ``leaves_first`` gives
    the function the leaves themselves.
    """
    leaves: list[Tensor] = []

    def copy(value: Tensor) -> Tensor:
        leaf = value.detach().clone()
        if dtype is not None and leaf.is_floating_point():
            leaf = leaf.to(dtype)
        if value.requires_grad:
            leaves.append(leaf.requires_grad_())
            leaf = leaf if leaves_first else step_away(leaf)
        return layout(leaf) if layout is not None and leaf.is_floating_point() else leaf

    args, kwargs = tree_map(each_once(copy), (tuple(args), dict(kwargs)))
    if not hasattr(function, "_torchdynamo_orig_callable"):  # what is compiled is compiled for one device
        refuse_as_on_cpu(function, args, kwargs)
    reseed()
    return Outcome(function(*args, **kwargs), (args, kwargs), leaves)


def each_once(change: Callable[[Tensor], Tensor]) -> Callable[[Any], Any]:
    """What applies ``change`` to a tensor, and gives the same result when the tensor comes again: one stays one."""
    known: dict[int, Tensor] = {}

    def changed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) not in known:
            known[id(value)] = change(value)
        return known[id(value)]

    return changed


def step_away(value: Any) -> Any:
    """A tensor one step away from the leaf, as in a network: an in-place function may write to it."""
    return value.clone() if isinstance(value, Tensor) and value.requires_grad else value


def upstream(outputs: Sequence[Tensor], seed: int = SEED) -> list[Tensor]:
    """Random gradients for the results. Not ones: those give zero for softmax and for every norm, right or wrong."""
    generator = torch.Generator().manual_seed(seed)
    precise = [torch.complex128 if y.is_complex() else torch.float64 for y in outputs]
    return [
        torch.randn(y.shape, generator=generator, dtype=dtype).to(y) for y, dtype in zip(outputs, precise, strict=True)
    ]


def gradients(
    outcome: Outcome, *, retain_graph: bool = False, create_graph: bool = False, layout: Layout | None = None
) -> list[Tensor | None]:
    """The gradients of the result by each leaf, for a random upstream gradient of that layout in memory."""
    outputs = outcome.differentiable
    if not outputs or not outcome.leaves:
        return []
    grads = upstream(outputs)
    if layout is not None:
        grads = [layout(g) for g in grads]
    found = torch.autograd.grad(
        outputs,
        outcome.leaves,
        grads,
        retain_graph=retain_graph or create_graph,
        create_graph=create_graph,
        allow_unused=True,
    )
    return list(found)


def filled(grads: Sequence[Tensor | None], by: Sequence[Tensor]) -> list[Tensor]:
    """The gradients by these tensors, of zeros where there is none, also at the end: no dependence is one of zero."""
    every = [*grads, *[None] * (len(by) - len(grads))]
    return [torch.zeros_like(x) if g is None else g for g, x in zip(every, by, strict=True)]


def dense(seconds: Sequence[Tensor | None], outcome: Outcome) -> list[Tensor]:
    """What `second_gradients` gives of an outcome, without a graph, and of zeros where there is none."""
    return [g.detach() for g in filled(seconds, [*outcome.leaves, *outcome.differentiable])]


def second_gradients(outcome: Outcome, *, of_results: bool = False) -> list[Tensor | None]:
    """The gradients, by inputs and by the upstream gradient, of the gradients' product with a random direction.

    Args:
        outcome: of a call.
        of_results: add the results' own, as of a loss with a penalty on its gradient: then both come back through
            what the results and the first derivative share.
    """
    outputs = outcome.differentiable
    if not outputs or not outcome.leaves:
        return []
    grads = [g.requires_grad_() for g in upstream(outputs)]
    all_first = torch.autograd.grad(outputs, outcome.leaves, grads, create_graph=True, allow_unused=True)
    first = [g for g in all_first if g is not None and g.requires_grad]
    if not first:
        return []
    # in the other order of memory, which a rule that is asked for its own derivative has to take, too
    directions = [reversed_axes(d) for d in upstream(first, seed=SEED + 1)]
    if of_results:
        first, directions = [*first, *outputs], [*directions, *upstream(outputs, seed=SEED + 2)]
    return list(torch.autograd.grad(first, [*outcome.leaves, *grads], directions, allow_unused=True))


def third_gradients(outcome: Outcome) -> list[Tensor]:
    """The gradients of the gradients of the gradients, each time of the product with random directions.

    By inputs, upstream gradients and directions; zeros, where there is no dependence.
    """
    results, targets = outcome.differentiable, list(outcome.leaves)
    for order in range(3):
        directions = [d.requires_grad_() for d in upstream(results, seed=SEED + order)]
        pairs = [(y, d) for y, d in zip(results, directions, strict=True) if y.requires_grad]
        if not pairs:
            return []
        ys, vs = zip(*pairs, strict=True)
        found = torch.autograd.grad(ys, targets, vs, create_graph=order < 2, allow_unused=True)
        results = filled(found, targets)
        targets += directions
    return [g.detach() for g in results]


def scattered(x: Tensor) -> Tensor:
    """The same values at every other place of a tensor twice as large: no layout has them side by side."""
    return torch.stack([x, x], dim=-1)[..., 0]


def reversed_axes(x: Tensor) -> Tensor:
    """The same values, with the first axis side by side in memory and the last one far apart."""
    backwards = list(range(x.dim()))[::-1]
    return x.permute(backwards).contiguous().permute(backwards)


def channels_last(x: Tensor) -> Tensor:
    """The same values with the channels side by side in memory, where there are channels."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return x.contiguous(memory_format=formats[x.dim()]) if x.dim() in formats else x
