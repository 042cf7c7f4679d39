r"""Positions, with their derivatives.

**Sinusoidal.** Of an angle $\varphi$ come the two numbers $s = \sin\varphi$ and $c = \cos\varphi$, and

$$ \frac{ds}{d\varphi} = \cos\varphi = c, \qquad \frac{dc}{d\varphi} = -\sin\varphi = -s, \qquad
   \frac{\partial L}{\partial\varphi} = g_s c - g_c s $$

where $g$ is the gradient that arrives. (A position has a gradient where it is a real number, as the time of a diffusion
model is, since $\varphi_i = w_i p$.)

**Rotary.** A pair of numbers is turned by the angle $\varphi$ of its position,

$$ y = R(\varphi)\, x, \qquad R(\varphi) = \begin{pmatrix} \cos\varphi & -\sin\varphi \\ \sin\varphi & \cos\varphi
   \end{pmatrix} $$

linear in $x$, so that forward mode turns the tangent, $\dot y = R(\varphi)\, \dot x$, and the backward pass multiplies
by the transpose. That is the inverse, since a rotation keeps inner products, and the inverse turns back:

$$ \frac{\partial L}{\partial x} = R(\varphi)^\top g = R(-\varphi)\, g $$

The same function with $-\sin\varphi$ for $\sin\varphi$, linear in $g$ and so its own derivative, again. Numbers that
are not turned hand their gradient on. It is linear in sine and cosine, too: of a pair $x = (a, b)$

$$ \frac{\partial L}{\partial\cos\varphi} = \sum (g_1 a + g_2 b), \qquad
   \frac{\partial L}{\partial\sin\varphi} = \sum (g_2 a - g_1 b) $$

where the sum goes over the vectors that stand in that position. Only these ask for the input, which is therefore kept
only where positions are real numbers.

**Learned.** A lookup in a table: embedding's, with its derivative.
"""

from typing import Any

import torch
from torch import Tensor

from conceptlab.concepts.positions._places import places, require_even
from conceptlab.core import Rule, declare, is_recorded, require_floating, require_real, save, wide

ops = declare("nn", "handmade")


def sinusoidal_positions(
    positions: Tensor, dim: int, base: float = 10000.0, interleaved: bool = True, dtype: torch.dtype | None = None
) -> Tensor:
    require_even("sinusoidal_positions", dim)
    if dtype is None:
        dtype = positions.dtype if positions.is_floating_point() else torch.get_default_dtype()
    return _Waves.call(_angles(positions, dim, base, dtype), interleaved).to(dtype)


def learned_positions(positions: Tensor, weight: Tensor) -> Tensor:
    return ops.embedding(positions, weight)


def rotary(
    input: Tensor,
    positions: Tensor | int = 0,
    base: float = 10000.0,
    interleaved: bool = True,
    dim: int | None = None,
) -> Tensor:
    require_floating("rotary", input)
    require_real("rotary", input)
    D = input.shape[-1] if dim is None else dim
    require_even("rotary", D, most=input.shape[-1])
    positions = places("rotary", input, positions)
    angles = _angles(positions, D, base, input.dtype)
    return _Rotation.call(input, angles.cos(), angles.sin(), interleaved, positions.is_floating_point())


def _angles(positions: Tensor, dim: int, base: float, dtype: torch.dtype) -> Tensor:
    """The angles $w_i p$ (\\*, dim/2), in float32 at least: 257 is no bfloat16 number, nor 2049 a float16 number."""
    dtype = torch.promote_types(dtype, torch.float32)
    frequencies = base ** (torch.arange(0, dim, 2, dtype=dtype, device=positions.device) / -dim)
    return positions.to(dtype).unsqueeze(-1) * frequencies


class _Waves(Rule):
    """Of angles (\\*, D/2) to their sines and cosines (\\*, D)."""

    @staticmethod
    def forward(angles: Tensor, interleaved: bool) -> Tensor:
        if is_recorded():
            return _joined(angles.sin(), angles.cos(), interleaved)
        y = angles.new_empty((*angles.shape[:-1], 2 * angles.shape[-1]))
        first, second = _pairs(y, interleaved)
        torch.sin(angles, out=first)
        torch.cos(angles, out=second)
        return y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        angles, ctx.interleaved = inputs
        save(ctx, angles)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (angles,) = ctx.saved_tensors
        grad_sin, grad_cos = _pairs(grad_output, ctx.interleaved)
        return grad_sin * angles.cos() - grad_cos * angles.sin(), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (angles,) = ctx.saved_tensors
        return _joined(angles.cos() * tangent, -angles.sin() * tangent, ctx.interleaved)


class _Rotation(Rule):
    """Turns the first D numbers of vectors by angles of which cosines and sines (\\*, D/2) are given."""

    @staticmethod
    def forward(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool, by_angles: bool) -> Tensor:
        return _turned(x, cos, sin, interleaved)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, cos, sin, ctx.interleaved, by_angles = inputs
        save(ctx, x if by_angles else None, cos, sin)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, cos, sin = ctx.saved_tensors
        grad_x = _turned(grad_output, cos, -sin, ctx.interleaved) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None, None, None, None
        D = 2 * cos.shape[-1]
        (a, b), (g1, g2) = (_pairs(wide(z[..., :D]), ctx.interleaved) for z in (x, grad_output))
        grad_cos, grad_sin = g1 * a + g2 * b, g2 * a - g1 * b
        return grad_x, grad_cos.sum_to_size(cos.shape), grad_sin.sum_to_size(sin.shape), None, None

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, cos_tangent: Tensor, sin_tangent: Tensor, *_: None) -> Tensor:
        x, cos, sin = ctx.saved_tensors
        tangent = _turned(x_tangent, cos, sin, ctx.interleaved)
        if x is None:
            return tangent
        D = 2 * cos.shape[-1]
        by_angles = _turned(x[..., :D], cos_tangent, sin_tangent, ctx.interleaved)
        return tangent + torch.cat((by_angles, x.new_zeros(()).expand_as(x[..., D:])), -1)


def _turned(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    D, z = 2 * cos.shape[-1], wide(x)
    a, b = _pairs(z[..., :D], interleaved)
    if is_recorded():
        y = _joined(a * cos - b * sin, a * sin + b * cos, interleaved)
        return (y if x.shape[-1] == D else torch.cat((y, z[..., D:]), -1)).to(x.dtype)
    y = torch.empty_like(z)
    if interleaved and _are_complex(z) and _are_complex(y):
        # a pair is a complex number, and turned in one pass by the product with another one
        turn = torch.view_as_complex(torch.stack((cos, sin), -1))
        torch.mul(_complex(z, D), turn, out=_complex(y, D))
    else:
        first, second = _pairs(y[..., :D], interleaved)
        torch.mul(z[..., :D], _joined(cos, cos, interleaved), out=y[..., :D])
        first.addcmul_(b, sin, value=-1)
        second.addcmul_(a, sin)
    y[..., D:] = z[..., D:]
    return y.to(x.dtype)


def _pairs(x: Tensor, interleaved: bool) -> tuple[Tensor, Tensor]:
    """The first numbers of all pairs, and the second ones."""
    if interleaved:
        return x[..., 0::2], x[..., 1::2]
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _joined(first: Tensor, second: Tensor, interleaved: bool) -> Tensor:
    if interleaved:
        # a copy: a view could not be overwritten by the function that follows
        return torch.stack((first, second), -1).flatten(-2).clone()
    return torch.cat((first, second), -1)


def _are_complex(x: Tensor) -> bool:
    """Whether neighbours in memory can be read as one complex number."""
    *others, last = x.stride()
    return bool(last == 1 and x.storage_offset() % 2 == 0) and all(stride % 2 == 0 for stride in others)


def _complex(x: Tensor, dim: int) -> Tensor:
    return torch.view_as_complex(x[..., :dim].unflatten(-1, (dim // 2, 2)))
