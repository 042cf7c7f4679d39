"""Positions, by their definitions: functions and layers of plain torch, as torch would have them.

torch has none. So these stand where torch's own stand elsewhere: the other tiers are held to them, and they to laws.
"""

import torch
from torch import Tensor, nn

from conceptlab.concepts.positions._places import places, require_even


def sinusoidal_positions(
    positions: Tensor, dim: int, base: float = 10000.0, interleaved: bool = True, dtype: torch.dtype | None = None
) -> Tensor:
    require_even("sinusoidal_positions", dim)
    if dtype is None:
        dtype = positions.dtype if positions.is_floating_point() else torch.get_default_dtype()
    angles = _angles(positions, dim, base, dtype)
    pairs = angles.sin(), angles.cos()
    vectors = torch.stack(pairs, -1).flatten(-2) if interleaved else torch.cat(pairs, -1)
    return vectors.to(dtype)


def learned_positions(positions: Tensor, weight: Tensor) -> Tensor:
    if positions.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"learned_positions: expected whole numbers, of int64 or int32, received {positions.dtype}.")
    if weight.dim() != 2:
        raise RuntimeError(f"learned_positions: expected a weight (num_positions, dim), received {weight.dim()} axes.")
    return weight.index_select(0, positions.flatten()).reshape(*positions.shape, weight.shape[1])


def rotary(
    input: Tensor,
    positions: Tensor | int = 0,
    base: float = 10000.0,
    interleaved: bool = True,
    dim: int | None = None,
) -> Tensor:
    if not input.is_floating_point():
        raise NotImplementedError(f"rotary: expected real numbers, received {input.dtype}.")
    D = input.shape[-1] if dim is None else dim
    require_even("rotary", D, most=input.shape[-1])
    positions = places("rotary", input, positions)
    angles = _angles(positions, D, base, input.dtype)
    x = input[..., :D]
    if interleaved:
        angles = angles.repeat_interleave(2, -1)
        turned = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
    else:
        angles = torch.cat((angles, angles), -1)
        turned = torch.cat((-x[..., D // 2 :], x[..., : D // 2]), -1)
    rotated = (x * angles.cos() + turned * angles.sin()).to(input.dtype)
    if input.shape[-1] == D:
        return rotated
    output = input.clone()
    output[..., :D] = rotated
    return output


def _angles(positions: Tensor, dim: int, base: float, dtype: torch.dtype) -> Tensor:
    # 257 is no bfloat16 number, nor 2049 a float16 number
    dtype = torch.promote_types(dtype, torch.float32)
    frequencies = base ** (torch.arange(0, dim, 2, dtype=dtype, device=positions.device) / -dim)
    return positions.to(dtype).unsqueeze(-1) * frequencies


class _OfWaves(nn.Module):
    """What the two layers share that have a frequency for each pair of numbers."""

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = True) -> None:
        super().__init__()
        require_even(type(self).__name__, dim)
        self.dim = dim
        self.base = base
        self.interleaved = interleaved

    def extra_repr(self) -> str:
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"


class SinusoidalPositions(_OfWaves):
    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        dtype = torch.promote_types(input.dtype, torch.float32)
        positions = places("SinusoidalPositions", input, positions, self.dim)
        vectors = sinusoidal_positions(positions, self.dim, self.base, self.interleaved, dtype)
        return (input + vectors).to(input.dtype)


class RotaryPositions(_OfWaves):
    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        return rotary(input, positions, self.base, self.interleaved, self.dim)


class LearnedPositions(nn.Module):
    def __init__(
        self,
        num_positions: int,
        dim: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.num_positions = num_positions
        self.dim = dim
        self.weight = nn.Parameter(torch.empty(num_positions, dim, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, input: Tensor, positions: Tensor | int = 0) -> Tensor:
        positions = places("LearnedPositions", input, positions, self.dim, self.num_positions)
        return input + learned_positions(positions, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_positions}, {self.dim}"
