r"""Linear, as one matrix product, with its derivative.

Write the rows of the input as $x_n$, so that $y_{no} = \sum_i x_{ni} W_{oi} + b_o$, and let $g_{no} = \partial L /
\partial y_{no}$ be the gradient that arrives. Each input and each weight takes part in several outputs, and the chain
rule adds over them:

$$ \frac{\partial L}{\partial x_{ni}} = \sum_o g_{no} W_{oi}, \qquad
   \frac{\partial L}{\partial W_{oi}} = \sum_n g_{no} x_{ni}, \qquad
   \frac{\partial L}{\partial b_o} = \sum_n g_{no} $$

that is $g W$, $g^\top x$ and the sum of $g$ over its rows. Forward mode is the product rule,
$\dot y = \dot x W^\top + x \dot W^\top + \dot b$. Nothing but matrix products of the inputs: each is differentiable
again by the same formulas.
"""

import math
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, message, room, save


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if bias is not None and bias.dim() > input.dim():
        raise NotImplementedError(
            message(
                "linear",
                expected="a bias of at most as many axes as the input",
                received=f"{bias.dim()} axes beside {input.dim()}",
                remedy="Give one number for each output feature, (out_features,).",
            )
        )
    if weight.dim() == 2:
        return _Linear.call(input, weight, bias)
    if bias is not None and (bias.dim() > 0 or input.dim() == 2):
        # as torch has it: a single number goes with every input but a matrix
        raise RuntimeError(
            message(
                "linear",
                expected="a weight that is a matrix, since there is a bias",
                received=f"a {weight.dim()}-D tensor",
                remedy="Give weight (1, in_features), or no bias.",
            )
        )
    # a single output feature, whose axis the result does not have
    y = _Linear.call(input, weight.unsqueeze(0), None).squeeze(-1)
    return y if bias is None else y + bias


class _Linear(Rule):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if bias is None:
            return x @ weight.t()
        if x.dim() > 2 and bias.dim() > 1:
            product = x @ weight.t()
            # (in place, unless vmap has a batch of biases alone)
            return torch.add(product, bias, out=room(product))
        out_features, in_features = weight.shape
        rows = x.reshape(math.prod(x.shape[:-1]), in_features)
        # one pass, and one rounding: the product starts from the bias. A view of it would forbid writing to the result
        return torch.ops.aten._unsafe_view(torch.addmm(bias, rows, weight.t()), (*x.shape[:-1], out_features))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, weight, bias = inputs
        save(ctx, x, weight)
        ctx.bias_shape = None if bias is None else bias.shape

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        out_features, in_features = weight.shape
        N = math.prod(x.shape[:-1])  # said in full: -1 cannot be told where a dimension is 0
        grad_x = grad_output @ weight.conj() if needs_x else None
        grad_weight = None
        if needs_weight:
            grad_weight = grad_output.reshape(N, out_features).t() @ x.reshape(N, in_features).conj()
        grad_bias = grad_output.sum_to_size(ctx.bias_shape) if needs_bias else None
        return grad_x, grad_weight, grad_bias

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor, weight_tangent: Tensor, bias_tangent: Tensor | None) -> Tensor:
        x, weight = ctx.saved_tensors
        tangent = x_tangent @ weight.t() + x @ weight_tangent.t()
        return tangent if bias_tangent is None else tangent + bias_tangent
