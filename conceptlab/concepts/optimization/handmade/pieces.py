"""Parameters of all sizes, cut and gathered into groups that fit in the cache; and what else the optimizers share.

An update makes several passes over each parameter, its gradient and its state. One parameter at a time, a large one
leaves the cache between two passes, and a small one costs more in calls than in arithmetic. So large tensors are cut
into flat pieces, and small ones gathered, until a group has about `PIECE` elements; then every pass is one call for the
whole group (``torch._foreach_…``).
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from conceptlab.core import message, wide

PIECE = 2**17
"""Elements in a group: half a megabyte in float32. A few of those stay in the cache; smaller ones need more calls."""

Columns = Sequence[Sequence[Tensor]]


def groups(columns: Columns) -> Iterator[Columns]:
    """Groups of pieces, with the same columns: parameters, gradients, and what state there is.

    On another device than a CPU everything is one group: there, the number of calls is what counts.
    """
    if not columns[0][0].is_cpu or sum(tensor.numel() for tensor in columns[0]) <= PIECE:
        yield columns
        return
    group: list[list[Tensor]] = [[] for _ in columns]
    elements = 0
    for row in zip(*columns, strict=True):
        size = row[0].numel()
        if size > PIECE and all(tensor.is_contiguous() for tensor in row):
            pieces = zip(*(tensor.view(-1).split(PIECE) for tensor in row), strict=True)
            yield from ([[tensor] for tensor in piece] for piece in pieces)
            continue
        for column, tensor in zip(group, row, strict=True):
            column.append(tensor)
        elements += size
        if elements >= PIECE:
            yield group
            group, elements = [[] for _ in columns], 0
    if elements:
        yield group


def as_real(columns: Columns) -> list[list[Tensor]]:
    """A complex number is two real ones."""
    return [[torch.view_as_real(x) if x.is_complex() else x for x in column] for column in columns]


def in_float32(tensors: Sequence[Tensor]) -> list[Tensor] | tuple[Tensor, ...]:
    """Half precision is widened, so that a step is rounded once; other tensors are themselves."""
    return [wide(t) for t in tensors]


def write_back(originals: Sequence[Tensor], results: Sequence[Tensor]) -> None:
    """Round what was computed in float32 into the tensors it came from."""
    for original, result in zip(originals, results, strict=True):
        if original is not result:
            original.copy_(result)


def scalar(x: float | Tensor) -> float | Tensor:
    """A hyperparameter without axes: torch allows any tensor of one element."""
    return x.reshape(()) if isinstance(x, Tensor) else x


def check_steps(where: str, params: Sequence[Tensor], capturable: bool, **columns: Sequence[Tensor]) -> None:
    """Refuse counts that are no tensors, and recording on a device that cannot record."""
    for name, column in columns.items():
        if not all(isinstance(x, Tensor) for x in column):
            raise RuntimeError(
                message(
                    f"{where}: `{name}` argument must contain a list of singleton tensors",
                    expected="tensors of one element",
                    received=str({type(x).__name__ for x in column}),
                    remedy="Give for each parameter the tensor that the optimizer keeps of it.",
                )
            )
    if not capturable:
        return
    devices = {tuple(x.device.type for x in row) for row in zip(params, *columns.values(), strict=True)}
    if any(len(set(row)) > 1 or row[0] in ("cpu", "meta") for row in devices):
        raise AssertionError(
            message(
                f"{where}: If capturable=True, {' and '.join(['params', *columns])} must be on supported devices",
                expected="a parameter and what is counted of it on one device whose work can be captured, such as cuda",
                received=" and ".join(", ".join(row) for row in sorted(devices)),
                remedy="Construct the optimizer with capturable=False.",
            )
        )


def refuse_scaled_gradients(where: str, grad_scale: Tensor | None, found_inf: Tensor | None) -> None:
    """Refuse the gradients that GradScaler leaves to a fused optimizer to unscale."""
    if grad_scale is not None or found_inf is not None:
        raise NotImplementedError(
            message(
                f"{where}: Expected grad_scale and found_inf to be None",
                expected="gradients that are unscaled already",
                received="grad_scale or found_inf, as GradScaler gives them to an optimizer with fused=True",
                remedy="Construct the optimizer with fused=None: GradScaler then unscales the gradients itself.",
            )
        )
