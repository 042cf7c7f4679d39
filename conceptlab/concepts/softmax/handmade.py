r"""Softmax and its logarithm, with their derivatives.

Let $p_i = e^{x_i} / Z$ with $Z = \sum_j e^{x_j}$, so that $\log p_i = x_i - \log Z$. From $\partial \log Z / \partial
x_j = e^{x_j} / Z = p_j$:

$$ \frac{\partial \log p_i}{\partial x_j} = \delta_{ij} - p_j, \qquad
   \frac{\partial p_i}{\partial x_j} = p_i \frac{\partial \log p_i}{\partial x_j} = p_i (\delta_{ij} - p_j) $$

Every output depends on every input: the Jacobian is a full matrix, never built, since its products with a vector $v$
need one sum each. Backwards, from the gradient $v$ of the outputs,

$$ \text{softmax:}\quad \sum_i v_i p_i (\delta_{ij} - p_j) = p_j v_j - p_j \sum_i p_i v_i, \qquad
   \text{log\_softmax:}\quad \sum_i v_i (\delta_{ij} - p_j) = v_j - p_j \sum_i v_i $$

and forwards, from the tangent $v$ of the inputs, the first again, its Jacobian being symmetric, and $v_i - \sum_j p_j
v_j$. All of it comes from the output alone, so the output is what is saved.
"""

import math
import warnings
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, message, save

# eˣ is computed as 2 to the power of x log₂ e, which torch does in a third of the time
_LOG2_E = math.log2(math.e)


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    dim = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    return _Softmax.call(_scores("softmax", input, dtype), dim)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    dim = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    return _LogSoftmax.call(_scores("log_softmax", input, dtype), dim)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    dim = _implicit_dim("softmin", input, _stacklevel) if dim is None else dim
    return _Softmax.call(-_scores("softmin", input, dtype), dim)


class _Softmax(Rule):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        p = _shifted(x, dim).mul_(_LOG2_E).exp2_()
        return p.div_(p.sum(dim, keepdim=True)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        return _times_jacobian(grad_output, *ctx.saved_tensors, ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _times_jacobian(tangent, *ctx.saved_tensors, ctx.dim)


class _LogSoftmax(Rule):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        log_p = _shifted(x, dim)
        return log_p.sub_(_exp(log_p).sum(dim, keepdim=True).log_()).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None]:
        (log_p,) = ctx.saved_tensors
        v, p = _wide(grad_output), _exp(_wide(log_p))
        return torch.addcmul(v, p, v.sum(ctx.dim, keepdim=True), value=-1).to(log_p.dtype), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (log_p,) = ctx.saved_tensors
        v, p = _wide(tangent), _exp(_wide(log_p))
        return (v - (p * v).sum(ctx.dim, keepdim=True)).to(log_p.dtype)


def _times_jacobian(v: Tensor, p: Tensor, dim: int) -> Tensor:
    """p ∘ v − p Σ p v."""
    pv = _wide(p) * _wide(v)
    return pv.addcmul_(_wide(p), pv.sum(dim, keepdim=True), value=-1).to(p.dtype)


def _exp(x: Tensor) -> Tensor:
    return (x * _LOG2_E).exp2_()


def _shifted(x: Tensor, dim: int) -> Tensor:
    """The scores less the largest, a new tensor: its exponentials lie between 0 and 1, and one of them is 1."""
    x = _wide(x).contiguous()  # as torch's results are, for channels-last inputs too
    return x - x.amax(dim, keepdim=True) if x.numel() else torch.empty_like(x)


def _wide(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _scores(where: str, input: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is not None:
        input = input.to(dtype)
    if not input.is_floating_point():
        raise NotImplementedError(
            message(
                f"{where} not implemented for '{input.dtype}'",
                expected="floating-point numbers",
                received=str(input.dtype),
                remedy="Convert them, with dtype=torch.float32 for instance.",
            )
        )
    return input


def _implicit_dim(name: str, input: Tensor, stacklevel: int) -> int:
    text = f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument."
    # one level more than torch: the registry's wrapper of every function stands between this tier and the caller
    warnings.warn(text, stacklevel=stacklevel + 1)
    return 0 if input.dim() in (0, 1, 3) else 1
