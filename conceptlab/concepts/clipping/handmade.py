r"""Clipping, a kind of gradients at a time.

**The norm.** The numbers of all gradients need not lie side by side: with $N_k$ the norm of gradient $k$ alone,

$$ \Bigl( \sum_k \sum_{i \in k} |g_i|^p \Bigr)^{1/p} = \Bigl( \sum_k N_k^p \Bigr)^{1/p} $$

is the norm of the norms; so are the largest of the largest, and the smallest of the smallest. (Of order 0, which
counts, it is the number of gradients that are not 0 altogether, as torch has it.)

**The length** after it. With $f = \min(1, c / (N + 10^{-6}))$ the result $f g$ has the norm $f N$: it is $N$ as long
as $N$ is below $c$, and from there on $c N / (N + 10^{-6}) < c$. The small number keeps the division from 0 / 0, and
nobody looks whether $f$ is 1: it is multiplied with all the same, and the host does not wait for the device.
"""

import types
from collections.abc import Iterable
from typing import NoReturn

import torch
from torch import Tensor

from conceptlab.core import message, warn, wide

# where torch has operations on many tensors at once
_DEVICES = ("cpu", "cuda", "xpu", "mtia")
_HALVES = {torch.float16, torch.bfloat16}


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    return _rounded(_total_norm("get_total_norm", tensors, norm_type, error_if_nonfinite, foreach), tensors)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    _scale("clip_grads_with_norm_", _gradients(parameters), max_norm, total_norm, foreach)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if is_generator and not parameters:
        warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    gradients = _gradients(parameters)
    norm = _total_norm("clip_grad_norm_", gradients, norm_type, error_if_nonfinite, foreach)
    _scale("clip_grad_norm_", gradients, max_norm, norm, foreach)
    return _rounded(norm, gradients)


@torch.no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    limit, gradients = float(clip_value), _gradients(parameters)
    if not gradients:
        _refuse("clip_grad_value_", "at least one parameter with a gradient", "none", "Call backward() before.")
    _require_foreach("clip_grad_value_", gradients, foreach)
    for gradient in gradients:
        gradient.clamp_(-limit, limit)


@torch.no_grad()
def _total_norm(
    where: str, tensors: list[Tensor], norm_type: float, error_if_nonfinite: bool, foreach: bool | None
) -> Tensor:
    """In float32 at least."""
    p = float(norm_type)
    if not tensors:
        return torch.tensor(0.0)
    _require_foreach(where, tensors, foreach)
    device = tensors[0].device
    # of a dense tensor without a copy in the wider dtype
    given = [x if x.layout is torch.strided else wide(x) for x in tensors]
    wider = [torch.float32 if x.dtype in _HALVES else None for x in given]
    norms = [torch.linalg.vector_norm(x, p, dtype=d).to(device) for x, d in zip(given, wider, strict=True)]
    norm = torch.linalg.vector_norm(torch.stack(norms), p)
    if error_if_nonfinite and not _rounded(norm, tensors).isfinite():
        _refuse(
            f"{where}: The total norm of order {p} is non-finite, so it cannot be clipped",
            "gradients with a finite norm",
            str(norm.item()),
            "To disable this error and scale the gradients anyway, set `error_if_nonfinite=False`.",
        )
    return norm


@torch.no_grad()
def _scale(where: str, gradients: list[Tensor], max_norm: float, norm: Tensor, foreach: bool | None) -> None:
    limit = float(max_norm)
    if not gradients:
        return
    _require_foreach(where, gradients, foreach)
    factor = torch.clamp(limit / (norm + 1e-6), max=1.0)
    for device, some in _by_device(gradients).items():
        torch._foreach_mul_(some, factor.to(device))


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _by_device(tensors: list[Tensor]) -> dict[torch.device, list[Tensor]]:
    groups: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.device, []).append(tensor)
    return groups


def _rounded(norm: Tensor, tensors: list[Tensor]) -> Tensor:
    """In the tensors' dtype, where all of them are of one kind of half precision."""
    dtypes = {tensor.dtype for tensor in tensors}
    halves = dtypes & _HALVES
    return norm.to(halves.pop()) if len(dtypes) == 1 and halves else norm


def _require_foreach(where: str, tensors: list[Tensor], foreach: bool | None) -> None:
    for device in {tensor.device for tensor in tensors} if foreach else ():
        if device.type not in _DEVICES:
            problem = f"{where}: foreach=True was passed, but can't use the foreach API on {device.type} tensors"
            _refuse(problem, f"tensors on one of {', '.join(_DEVICES)}", device.type, "Leave foreach out.")


def _refuse(where: str, expected: str, received: str, remedy: str) -> NoReturn:
    raise RuntimeError(message(where, expected=expected, received=received, remedy=remedy))
