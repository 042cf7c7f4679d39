"""Interpolation: arguments as torch takes and refuses them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.interpolation.handmade.rules import Resample
from conceptlab.core import declare, message, require_floating, require_real

ops = declare("nn", "handmade")

_WITHOUT_CORNERS = ("nearest", "area", "nearest-exact")
_AXES = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}
_KINDS = {"bicubic": "cubic", "lanczos": "lanczos"}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    if mode in _WITHOUT_CORNERS and align_corners is not None:
        problem = (
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
        _refuse(ValueError, problem, "None", align_corners)
    sizes, factors = _sizes(input, size, scale_factor)
    if recompute_scale_factor and size is not None:
        problem = "recompute_scale_factor is not meaningful with an explicit size"
        _refuse(ValueError, problem, "scale_factor", f"size={size}")
    _check_mode(input, mode, align_corners, antialias)
    if mode == "area":
        return getattr(ops, f"adaptive_avg_pool{len(sizes)}d")(input, sizes)
    if input.dtype is not torch.uint8 or mode in ("linear", "trilinear"):
        require_floating(f"interpolate, mode {mode}", input)
        require_real(f"interpolate, mode {mode}", input)
    if min(sizes) < 1 or 0 in input.shape[1:]:
        problem = "interpolate: Non-empty data tensor expected, input and output sizes should be greater than 0"
        _refuse(RuntimeError, problem, "channels, pixels to look at, and to make", f"{list(input.shape)} and {sizes}")
    pixelwise, old = _is_pixelwise(input, sizes), input.shape[2:]
    if recompute_scale_factor:
        factors = [0.0] * len(sizes)
    else:
        times = _copies(input, mode, pixelwise)
        factors = [0.0 if m in [n * t for t in times] else f for n, m, f in zip(old, sizes, factors, strict=True)]
    numbers = [number for axis in zip(old, sizes, factors, strict=True) for number in axis]
    kind = mode if mode in _WITHOUT_CORNERS else _KINDS.get(mode, "linear")
    return Resample.call(input, kind, align_corners, antialias, pixelwise, *numbers)


def _sizes(input: Tensor, size: Any, scale_factor: Any) -> tuple[list[int], list[float]]:
    """The size of the result, and the factors that were given (0 where they were not)."""
    rank = input.dim() - 2
    if size is not None and scale_factor is not None:
        _refuse(ValueError, "only one of size or scale_factor should be defined", "one of them", "both")
    given = scale_factor if size is None else size
    if given is None:
        _refuse(ValueError, "either size or scale_factor should be defined", "one of them", "neither")
    numbers = list(given) if isinstance(given, list | tuple) else [given] * rank
    if len(numbers) != rank:
        problem = "Input and output, or scale_factor, must have the same number of spatial dimensions"
        _refuse(ValueError, problem, f"{rank} numbers for input {tuple(input.shape)}", given)
    if size is None:
        return [int(n * factor) for n, factor in zip(input.shape[2:], numbers, strict=True)], numbers
    for number in numbers:
        if isinstance(number, float):
            _refuse(TypeError, "expected size to be one of int or Tuple[int]", "whole numbers", given)
    return numbers, [0.0] * rank


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    dim = input.dim()
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and dim == 4):
        problem = "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor"
        _refuse(ValueError, problem, "antialias=False", f"mode {mode} and {dim} axes")
    if mode == "lanczos" and dim == 4 and align_corners:
        _refuse(ValueError, "Lanczos mode does not support align_corners=True", "align_corners=False", align_corners)
    if mode == "lanczos" and dim == 4 and not antialias:
        _refuse(ValueError, "Lanczos mode requires antialias=True", "antialias=True", antialias)
    if not 3 <= dim <= 5 or not (mode in _WITHOUT_CORNERS or mode in _AXES):
        problem = f"interpolate: Input Error: Only 3D, 4D and 5D input Tensors supported (got {dim}D)"
        _refuse(NotImplementedError, problem, f"a mode of {' | '.join((*_WITHOUT_CORNERS, *_AXES))}", mode)
    if dim != _AXES.get(mode, dim):
        problem = f"interpolate: Got {dim}D input, but {mode} mode needs {_AXES[mode]}D input"
        _refuse(NotImplementedError, problem, f"{_AXES[mode]} axes", dim)


def _is_pixelwise(x: Tensor, sizes: Sequence[int]) -> bool:
    """Whether torch computes the places in float32, whatever the dtype: for small images, and channels-last ones.

    On CUDA it does so for all.
    """
    channels_last = x.dim() > 3 and x.shape[1] > 3 and x.movedim(1, -1).is_contiguous()
    return x.is_cuda or channels_last or (x.dim() == 4 and sum(sizes) <= 128)


def _copies(x: Tensor, mode: str, pixelwise: bool) -> Sequence[int]:
    """How often torch copies each pixel where that makes the new size, whatever the factor was."""
    if x.is_cuda:
        return (1,) if mode.startswith("nearest") and x.dim() == 4 else ()
    return (1, 2) if mode == "nearest" and pixelwise else ()


def _refuse(error: type[Exception], problem: str, expected: str, received: object) -> None:
    remedy = "conceptlab's page of interpolation tells modes and sizes."
    raise error(message(problem, expected=expected, received=str(received), remedy=remedy))
