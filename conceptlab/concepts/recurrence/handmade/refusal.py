"""What is refused, with torch's types of exceptions and its words."""

from collections.abc import Sequence
from typing import NoReturn, cast

import torch
from torch import Tensor

from conceptlab.core import message, require_floating, require_real


def refuse(problem: str, expected: object, received: object, error: type[Exception] = RuntimeError) -> NoReturn:
    remedy = "conceptlab's page of recurrence tells shapes and dtypes."
    raise error(message(problem, expected=str(expected), received=str(received), remedy=remedy))


def require_dtypes(where: str, input: Tensor, *others: Tensor | None) -> None:
    """Refuse what is no real floating-point number, and mixed dtypes."""
    require_floating(where, input)
    require_real(where, input)
    dtypes = {other.dtype for other in others if other is not None} - {input.dtype}
    if dtypes:
        refuse(f"{where}: expected all tensors to have the same dtype", input.dtype, dtypes.pop())


def require_axes(where: str, input: Tensor, axes: int, error: type[Exception] = IndexError) -> None:
    if input.dim() < axes:
        refuse(f"{where}: Dimension out of range", f"an input of {axes} axes", f"{input.dim()}", error)
    if input.dim() > axes:
        refuse(f"{where}: input", f"{axes} axes", f"{input.dim()}")


def require_weights(
    where: str, input_size: int, hidden_size: int, gates: int, weights: Sequence[Tensor | None], *, size: int
) -> None:
    """Refuse weights of another shape than (gates · size, …); ``hidden_size`` is that of h, ``size`` that of a gate."""
    w_ih, w_hh, *biases = cast("Sequence[Tensor]", weights)  # of which biases alone may be None
    rows = gates * size
    for name, weight, columns in (("weight_ih", w_ih, input_size), ("weight_hh", w_hh, hidden_size)):
        if tuple(weight.shape) != (rows, columns):
            problem = f"{where}: {name} first dim must be {gates} * hidden_size = {rows}"
            refuse(problem, f"shape ({rows}, {columns}), as input and hidden state have it", tuple(weight.shape))
    for name, bias in zip(("bias_ih", "bias_hh"), biases, strict=False):
        if bias is not None and tuple(bias.shape) != (rows,):
            # torch repeats some others
            refuse(f"{where}: {name}", f"shape ({rows},)", tuple(bias.shape), NotImplementedError)


def sizes_of(where: str, data: Tensor, batch_sizes: Tensor) -> list[int]:
    """How many rows each step of packed sequences has."""
    if batch_sizes.dtype is not torch.int64:
        refuse(f"{where}: batch_sizes: expected scalar type Long", "whole numbers of 64 bits", batch_sizes.dtype)
    sizes: list[int] = batch_sizes.tolist()
    if not sizes or sizes[-1] < 1 or sorted(sizes, reverse=True) != sizes:
        expected = "one size or more, falling and none below 1, since the longest sequence comes first"
        # torch makes something of some of these
        refuse(f"{where}: batch_sizes must be sorted in decreasing order", expected, sizes, NotImplementedError)
    if sum(sizes) > len(data):
        problem = f"{where}: batch_sizes: length exceeds dimension size ({len(data)})"
        refuse(problem, f"sizes of no more than the {len(data)} rows of data together", f"{sum(sizes)}")
    return sizes
