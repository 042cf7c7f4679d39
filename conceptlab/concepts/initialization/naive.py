"""Initialization, each scheme by its formula."""

import math
import warnings

import torch
from torch import Generator, Tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    if nonlinearity == "leaky_relu":
        if isinstance(param, bool) or not isinstance(param, int | float | None):
            raise ValueError(f"calculate_gain: negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    gains = {"sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4, "linear": 1}
    gains |= {f"conv{kind}{axes}d": 1 for kind in ("", "_transpose") for axes in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


@torch.no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    return tensor.uniform_(a, b, generator=generator)


@torch.no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    return tensor.normal_(mean, std, generator=generator)


@torch.no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    if tensor.is_meta:
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("trunc_normal_: mean is more than 2 std from [a, b]", stacklevel=3)
    area = math.erf((b - mean) / std / math.sqrt(2)) - math.erf((a - mean) / std / math.sqrt(2))
    if area / 2 > 0.3:
        # most draws of the whole bell fall inside: draw again those that do not
        low, high = (torch.tensor(bound, dtype=tensor.dtype) for bound in (a, b))
        values = tensor.normal_(mean, std, generator=generator)
        while ((values < low) | (values > high)).any():
            again = torch.empty_like(values).normal_(mean, std, generator=generator)
            values = torch.where((values < low) | (values > high), again, values)
        return tensor.copy_(values)
    # a tail: draw evenly from [a, b], and keep each draw with the probability density(draw) / density(mode)
    mode = max(a, min(mean, b))
    log_peak = -0.5 * ((mode - mean) / std) ** 2
    values, kept = tensor, torch.zeros_like(tensor, dtype=torch.bool)
    while True:
        candidates = torch.empty_like(tensor).uniform_(a, b, generator=generator)
        values = torch.where(kept, values, candidates)
        log_probability = -0.5 * ((candidates - mean) / std) ** 2 - log_peak
        kept = kept | ~(torch.empty_like(tensor).uniform_(generator=generator).log() > log_probability)
        if kept.all():
            return tensor.copy_(values)


@torch.no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    return constant_(tensor, 1)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    # U(-c, c) has the variance c² / 3
    c = math.sqrt(3) * (gain * math.sqrt(2 / sum(_fans(tensor))))
    return uniform_(tensor, -c, c, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    if _is_empty(tensor):
        return tensor
    c = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -c, c, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: Mode {mode} not supported, please use 'fan_in' or 'fan_out'")
    fan_in, fan_out = _fans(tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode.lower() == "fan_in" else fan_out)


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    kernel = math.prod(tensor.shape[2:])
    return tensor.shape[1] * kernel, tensor.shape[0] * kernel


@torch.no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    if tensor.dim() < 2:
        raise ValueError("orthogonal_: Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    matrix = tensor.view(len(tensor), -1)
    draws = torch.empty_like(matrix, memory_format=torch.contiguous_format).normal_(generator=generator)
    if tensor.dtype not in (torch.float32, torch.float64):
        raise NotImplementedError(f"orthogonal_ not implemented for '{tensor.dtype}'")
    is_wide = draws.shape[0] < draws.shape[1]
    orthonormal: list[Tensor] = []
    for v in draws if is_wide else draws.t():
        # what lies along those before is taken away; a second time, since little may be left, and mostly rounding
        for q in 2 * orthonormal:
            v = v - (q * v).sum() * q
        orthonormal.append(v / torch.linalg.vector_norm(v))
    matrix.copy_(torch.stack(orthonormal, dim=0 if is_wide else 1))
    return tensor.mul_(gain)


def _is_empty(tensor: Tensor) -> bool:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=4)
    return 0 in tensor.shape
