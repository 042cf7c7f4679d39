"""Which place each vector of a sequence has, for all tiers; no arithmetic."""

import torch
from torch import Tensor

from conceptlab.core import message


def places(
    where: str, input: Tensor, positions: Tensor | int, dim: int | None = None, limit: int | None = None
) -> Tensor:
    """The positions of the vectors of ``input``, as a tensor that broadcasts against its axes but the last.

    Args:
        where: who asks.
        input: the vectors (\\*, T, D).
        positions: that of the first, which the others follow; or all of them.
        dim: the D that is expected, where it is known.
        limit: how many positions there are, where that is known.

    Raises:
        IndexError: the sequence goes beyond the limit.
        RuntimeError: the input has no axis of time, or another D, or the positions do not fit it.
    """
    if dim is not None and input.shape[-1:] != (dim,):
        raise RuntimeError(
            message(
                where,
                expected=f"an input (*, T, {dim}), of as many numbers as its own vectors",
                received=f"the shape {tuple(input.shape)}",
                remedy="Build it with the width of the input.",
            )
        )
    if isinstance(positions, Tensor):
        if positions.dim() >= input.dim() or any(
            own not in (1, size) for own, size in zip(positions.shape[::-1], input.shape[-2::-1], strict=False)
        ):
            raise RuntimeError(
                message(
                    where,
                    expected=f"positions that broadcast against {tuple(input.shape[:-1])}, the input but its last axis",
                    received=f"the shape {tuple(positions.shape)}",
                    remedy="Give (T) for all alike; of each sequence (B, T), and (B, 1, T) where heads follow.",
                )
            )
        return positions
    if input.dim() < 2:
        raise RuntimeError(
            message(
                where,
                expected="an input (*, T, D), since the positions are those from a number on",
                received=f"the shape {tuple(input.shape)}",
                remedy="Give a tensor of positions, or an axis of time.",
            )
        )
    T = input.shape[-2]
    if limit is not None and not 0 <= positions <= limit - T:
        raise IndexError(
            message(
                where,
                expected=f"positions from 0 to {limit - 1}, of which the table has a vector",
                received=f"those from {positions} to {positions + T - 1}",
                remedy="Cut the sequence, or make a longer table.",
            )
        )
    return torch.arange(positions, positions + T, device=input.device)


def require_even(where: str, dim: int, most: int | None = None) -> None:
    """Refuse what does not fall into pairs.

    Raises:
        ValueError: ``dim`` is odd, negative, or above ``most``.
    """
    if dim % 2 or dim < 0 or (most is not None and dim > most):
        among = "" if most is None else f", at most {most}, the input's last axis"
        raise ValueError(
            message(
                where,
                expected=f"an even dim{among}",
                received=str(dim),
                remedy="Numbers are taken in pairs: a sine and a cosine, or two that are turned together.",
            )
        )
