"""Mistakes, each of which a check is there for: functions, rules and layers that are wrong in one thing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conceptlab.core import Rule, wide

REAL = torch.autograd.Function


def swapped_arguments(dim, input, _stacklevel=3, dtype=None):
    return F.softmax(input, dim, dtype=dtype)


def another_default(input, p=0.4, training=True, inplace=False):
    return F.dropout(input, p, training, inplace)


class WritesUpstream(REAL):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.mul_(ctx.saved_tensors[0] > 0)


def writes_upstream(input, inplace=False):
    return WritesUpstream.apply(input)


def says_nothing(input, output_size, return_indices=False):
    try:
        return F.adaptive_max_pool1d(input, output_size, return_indices)
    except Exception as error:
        raise type(error)("no") from None


def half_right(input):
    return torch.sigmoid(input) * (1 + 1e-7)


def with_an_epsilon(input, inplace=False):
    return (input.square() + 1e-40).sqrt().add(input) / 2


def in_memory_order(input, inplace=False):
    # as memory has it: an expanded input has one row of it
    flat = input.as_strided((min(input.numel(), input.untyped_storage().nbytes() // input.element_size()),), (1,))
    return flat.clamp(min=0).mul(1).sum() * 0 + (
        flat[0] * 0 + input.clamp(min=0) * (1 + (flat.numel() < input.numel()))
    )


def kinked_at_zero(input, inplace=False):
    return torch.where(input >= 0, input, 0)


def refuses_no_samples(input, dim=None, _stacklevel=3, dtype=None):
    return F.softmax(input.reshape(len(input), -1).reshape(input.shape) if input.dim() else input, dim, dtype=dtype)


def without_conjugate(input, weight, bias=None):
    return Product.apply(input, weight) + (0 if bias is None else bias)


class Product(REAL):
    @staticmethod
    def forward(x, weight):
        return F.linear(x, weight)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        rows = g.reshape(-1, g.shape[-1]) if weight.dim() > 1 else g.reshape(-1, 1)
        weight_grad = (rows.mT @ x.reshape(-1, x.shape[-1])).reshape(weight.shape)
        return (rows @ weight.reshape(-1, weight.shape[-1])).reshape(x.shape), weight_grad


class WithFirstWeight(Product):
    """Right for real numbers, but where weights are batched: then it takes the first for all."""

    @staticmethod
    def vmap(info, in_dims, x, weight):
        x = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        return F.linear(x, weight if in_dims[1] is None else weight.select(in_dims[1], 0)), 0


def with_first_weight(input, weight, bias=None):
    return WithFirstWeight.apply(input, weight) + (0 if bias is None else bias)


def draws_too_much(input, p=0.5, training=True, inplace=False):
    result = F.dropout(input, p, training, inplace)
    torch.rand(1)
    return result


def not_rescaled(input, p=0.5, training=True, inplace=False):
    return F.dropout(input, p, training, inplace) * (1 - p if training and p < 1 else 1)


def drops_the_other_share(input, p=0.5, training=True, inplace=False):
    if not training or p in (0, 1):
        return F.dropout(input, p, training, inplace)
    return input * (torch.rand_like(input) < p) / (1 - p)


class FreshMask(REAL):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        return F.dropout(x, p)

    @staticmethod
    def backward(ctx, grad_output):
        return F.dropout(grad_output, ctx.p), None


def fresh_mask(input, p=0.5, training=True, inplace=False):
    return FreshMask.apply(input, p) if training else F.dropout(input, p, False, inplace)


class DoubledSlope(REAL):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y.square()) * 2


def doubled_slope(input):
    return DoubledSlope.apply(input)


class WithoutSetup(REAL):
    """Right, but of the kind that ``torch.func`` refuses."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * (1 - y * y)


def without_setup(input):
    return WithoutSetup.apply(input)


class SavedIntermediate(REAL):
    """Its backward takes the slope for a constant: right once, and wrong twice."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.slope = (1 - y * y).detach()
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope


def saved_intermediate(input):
    return SavedIntermediate.apply(input)


class OneOfTwo(REAL):
    """Its slope is a second output. Where gradients come back to both, that of the first is forgotten."""

    @staticmethod
    def forward(x):
        y = torch.tanh(x)
        return y, 1 - y * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, g, g_slope):
        y, slope = ctx.saved_tensors
        return g * slope if g_slope is None else -2 * y * slope * g_slope


def one_of_two(input):
    return OneOfTwo.apply(input)[0]


KEPT: list = []


def remembers_all(input, inplace=False):
    KEPT.append(input.detach().clone())
    return F.relu(input)


def remembers_the_last(input, inplace=False):
    KEPT[:] = [F.relu(input)]
    return KEPT[0] * 1


def saves_much(input):
    y = torch.tanh(input)
    for _ in range(4):
        y = (y * 2).square().sqrt() * y.sign() / 2
    return y


def counts_calls():
    calls = [0]

    def relu(input, inplace=False):
        calls[0] += 1
        return F.relu(input) * (calls[0] / calls[0])

    return relu


def wrong_when_compiled(input, inplace=False):
    return F.relu(input) * (1 + torch.compiler.is_compiling())


class Impure(nn.ReLU):
    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class BiasedOnce(nn.Linear):
    """Its first weights are not torch's."""

    def reset_parameters(self) -> None:
        super().reset_parameters()
        torch.rand(1)


class KeepsGraph(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        self.last = super().forward(input)
        return self.last * 1


class Renamed(nn.Linear):
    def __init__(self, n_in, n_out, bias=True, device=None, dtype=None):
        super().__init__(n_in, n_out, bias, device, dtype)


class Same(Rule):
    """Itself, and right; what is written anew below it is wrong."""

    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * 1

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 1


class DoubledForward(Same):
    @staticmethod
    def jvp(ctx, tangent):
        return tangent * 2


class OnceDifferentiable(Same):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.detach()


class TwiceDifferentiable(Same):
    @staticmethod
    def backward(ctx, grad_output):
        return OnceDifferentiable.call(grad_output)


class DetachedForward(Same):
    @staticmethod
    def jvp(ctx, tangent):
        return tangent.detach()


class DetachedInBackward(Same):
    @staticmethod
    def backward(ctx, grad_output):
        return DetachedForward.call(grad_output)


class WideForward(Same):
    """Its tangent stays in the precision in which it was computed."""

    @staticmethod
    def jvp(ctx, tangent):
        return wide(tangent) * 1


def with_wide_tangents(input, inplace=False):
    return WideForward.call(F.silu(input))


class _Viewed(Same):
    """A view of a copy, to which nothing may be written."""

    @staticmethod
    def forward(x):
        return x.clone().view(x.shape)


def as_a_view(input, weight, bias=None):
    return _Viewed.call(F.linear(input, weight, bias))
