"""What the kinds of normalization share besides arithmetic: dtypes, layouts, refusals, and what compilers need."""

from typing import NoReturn

import torch
from torch import Tensor

from conceptlab.core import message


def refuse(where: str, error: type[Exception], problem: str, expected: object, received: object) -> NoReturn:
    remedy = "conceptlab's page of normalization tells shapes and dtypes."
    raise error(message(f"{where}: {problem}", expected=str(expected), received=str(received), remedy=remedy))


def require_dtypes(where: str, input: Tensor, *parameters: Tensor | None) -> None:
    """Refuse parameters that are neither in the input's dtype nor all in float32 beside a half."""
    dtypes = {parameter.dtype for parameter in parameters if parameter is not None}
    beside_halves = input.dtype in (torch.float16, torch.bfloat16) and dtypes == {torch.float32}
    if dtypes - {input.dtype} and not beside_halves:
        expected = "all in the input's dtype, or float32 beside a half"
        refuse(where, RuntimeError, "mixed dtype", expected, dtypes | {input.dtype})


def require_fractions(where: str, input: Tensor) -> None:
    """Refuse integers, booleans and complex numbers, as torch does."""
    if not input.is_floating_point():
        problem = f"not implemented for '{input.dtype}'"
        refuse(where, NotImplementedError, problem, "a floating-point tensor", input.dtype)


def precise(x: Tensor) -> torch.dtype:
    """The dtype of statistics: float32, or x's dtype where that is wider."""
    return torch.float64 if x.dtype is torch.float64 else torch.float32


def through_statistics(*grads: Tensor | None) -> tuple[Tensor | None, ...]:
    """The gradients that come back through statistics, which only a second derivative sends.

    A compiler knows none, and gives zeros, over which it would compute sums.
    """
    return tuple(None for _ in grads) if torch.compiler.is_compiling() else grads


def in_torch_layout(y: Tensor, input: Tensor) -> Tensor:
    """A contiguous result, with its channels side by side in memory where the input has them so."""
    if input.dim() in (4, 5) and not input.is_contiguous() and input.movedim(1, -1).is_contiguous():
        return y.movedim(1, -1).contiguous().movedim(-1, 1)
    return y
