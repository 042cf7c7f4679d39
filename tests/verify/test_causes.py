"""Every pattern of a cause names what is wrong in a mutant that has it, and nothing in what is right."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function

from conceptlab.verify import checks
from conceptlab.verify.causes import PATTERNS, trajectories
from conceptlab.verify.causes.evidence import Evidence
from conceptlab.verify.closeness import Mismatch
from conceptlab.verify.museum.normalization import RightBatchNorm2d
from conceptlab.verify.target import target


def cause(implementation, like):
    """What the first check that fails says."""
    bound = next(check for check in checks(implementation, like) if check.check(check.target).failures)
    return bound.result().cause


def softmax_of_another_axis(input, dim=None, _stacklevel=3, dtype=None):
    if dim is None:
        return F.softmax(input, dim, _stacklevel + 1, dtype)
    return input.softmax(0 if dim in (1, -1) else dim, dtype=dtype)


def softplus_of_half(input, beta=1.0, threshold=20.0):
    return F.softplus(input, beta, threshold) * 0.5


def mse_of_the_sum(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    if reduction == "mean" and weight is None:
        return F.mse_loss(input, target, reduction="sum") / max(1, target.shape[0] if target.dim() else 1)
    return F.mse_loss(input, target, size_average, reduce, reduction, weight)


def negative_tanh(input):
    return -input.tanh()


def linear_with_swapped_arguments(input, weight, bias=None):
    return F.linear(weight, input, bias)


def relu6_at_zero(input, inplace=False):
    # the gradient at 0 is 1, and torch's is 0
    x = input.clone() if inplace else input
    y = torch.where((x >= 0) & (x < 6), x, x.detach().clamp(0, 6))
    return input.copy_(y) if inplace else y


class _ZeroGradient(Function):
    @staticmethod
    def forward(ctx, x):
        return x.sigmoid()

    @staticmethod
    def backward(ctx, grad):
        return torch.zeros_like(grad)


def sigmoid_without_gradient(input):
    return _ZeroGradient.apply(input)


class _TwiceTheGradient(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sigmoid()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return -grad * x.sigmoid() * (1 - x.sigmoid())


def sigmoid_with_the_other_sign(input):
    return _TwiceTheGradient.apply(input)


def relu_never_in_place(input, inplace=False):
    return F.relu(input)


class MomentumOfTheOld(RightBatchNorm2d):
    def follow(self, mean, variance):
        if self.momentum is None:
            return super().follow(mean, variance)
        self.num_batches_tracked += 1
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * variance
        return None


class UnbiasedValue(RightBatchNorm2d):
    def moments(self, input):
        mean, variance = super().moments(input)
        count = input.numel() // mean.numel()
        return mean, variance * count / (count - 1)

    def track(self, mean, variance, count):
        with torch.no_grad():
            self.follow(mean, variance)


class StatisticsOnlyWithGrad(RightBatchNorm2d):
    def looks_at_the_batch(self):
        return (self.training and torch.is_grad_enabled()) or self.running_mean is None


class _AssignsAtRepeatedPlaces(Function):
    @staticmethod
    def forward(ctx, x, pad):
        ctx.pad, ctx.size = pad, x.shape[-1]
        return F.pad(x, pad, "circular")

    @staticmethod
    def backward(ctx, grad):
        places = (torch.arange(grad.shape[-1]) - ctx.pad[0]) % ctx.size
        by_input = grad.new_zeros(*grad.shape[:-1], ctx.size)
        # index_add_ is what would be right
        return by_input.index_copy_(-1, places, grad), None


def pad_assigning_the_gradient(input, pad, mode="constant", value=None):
    if mode == "circular" and len(pad) == 2 and min(pad) >= 0:
        return _AssignsAtRepeatedPlaces.apply(input, pad)
    return F.pad(input, pad, mode, value)


class _ForgetsTheFirst(Function):
    @staticmethod
    def forward(ctx, x, weight, parameter):
        ctx.save_for_backward(x, weight)
        ctx.parameter = parameter
        return x @ weight.t()

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        ctx.parameter[0].grad = None
        return grad @ weight, grad.reshape(-1, grad.shape[-1]).t() @ x.reshape(-1, x.shape[-1]), None


class LinearForgettingTheFirst(nn.Linear):
    def forward(self, input):
        y = _ForgetsTheFirst.apply(input, self.weight, [self.weight])
        return y if self.bias is None else y + self.bias


class WeightNoParameter(nn.Linear):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        weight = self._parameters.pop("weight")
        object.__setattr__(self, "weight", weight)


class NormOnTheDefaultDevice(RightBatchNorm2d):
    def moments(self, input):
        mean, variance = super().moments(input)
        return mean, variance + torch.zeros(len(mean), dtype=variance.dtype, device="cpu")


MUTANTS = [
    (softmax_of_another_axis, "softmax", ("wrong axis", "dim=0")),
    (softplus_of_half, "softplus", ("constant 0.5",)),
    (mse_of_the_sum, "mse_loss", ("times", "a sum where a mean is meant")),
    (negative_tanh, "tanh", ("wrong sign",)),
    (relu6_at_zero, "relu6", ("kink",)),
    (sigmoid_without_gradient, "sigmoid", ("zeros",)),
    (sigmoid_with_the_other_sign, "sigmoid", ("gradient has the wrong sign",)),
    (pad_assigning_the_gradient, "pad", ("assigned", "added up")),
    (relu_never_in_place, "relu", ("inplace=True leaves",)),
    (MomentumOfTheOld, "BatchNorm2d", ("momentum", "old")),
    (UnbiasedValue, "BatchNorm2d", ("unbiased variance",)),
    (StatisticsOnlyWithGrad, "BatchNorm2d", ("is_grad_enabled", "self.training")),
    (LinearForgettingTheFirst, "Linear", ("weight.grad", "accumulate")),
    (WeightNoParameter, "Linear", ("weight", "nn.Parameter")),
    (NormOnTheDefaultDevice, "BatchNorm2d", ("default device",)),
]


@pytest.mark.parametrize(("mutant", "like", "words"), MUTANTS, ids=[m[0].__name__ for m in MUTANTS])
@pytest.mark.filterwarnings("ignore")
def test_a_mutant_is_named(mutant, like, words):
    said = cause(mutant, like)
    assert [word for word in words if word not in said] == [], said


RIGHT = [
    (F.softmax, "softmax"),
    (F.relu, "relu"),
    (F.conv2d, "conv2d"),
    (F.dropout, "dropout"),
    (F.cross_entropy, "cross_entropy"),
    (nn.BatchNorm2d, "BatchNorm2d"),
    (nn.Linear, "Linear"),
]


@pytest.mark.parametrize(("implementation", "like"), RIGHT, ids=[like for _, like in RIGHT])
def test_nothing_is_said_of_what_is_right(implementation, like):
    aim = target(implementation, like)
    for sample in list(aim.samples())[:12]:
        said = {
            pattern.__name__: pattern(Evidence(aim, sample, Mismatch(), [sample]))
            for pattern in PATTERNS
            # these two compare what fails with what does not
            if pattern.__name__ not in ("only_empty", "only_with_setting")
        }
        assert {name: text for name, text in said.items() if text} == {}, sample.name


GRADIENTS = [torch.tensor([1e-3, -0.5, 2.0]), torch.tensor([2e-3, -0.4, 1.5]), torch.tensor([1e-3, 0.3, 1.0])]
"""Gradients that three steps were given."""

ADAM = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}


def recorded(optimizer_class, **settings):
    """Where torch's optimizer goes, for the gradients above."""
    w, path = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64).requires_grad_(), []
    optimizer = optimizer_class([w], **settings)
    for grad in GRADIENTS:
        w.grad = grad.double()
        optimizer.step()
        path.append(w.detach().clone())
    return path


def trajectory(ours, theirs, **settings):
    start = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    return trajectories.Trajectory(start, [g.double() for g in GRADIENTS], ours, theirs, {**ADAM, **settings})


def test_steps_recorded_without_the_power_of_t():
    # after one step both are at the same place; the second step of the wrong one is (1 + β₁)/√(1 + β₂) times torch's
    path = recorded(torch.optim.Adam, lr=0.1)
    ours = [torch.tensor(numbers, dtype=torch.float64) for numbers in WITHOUT_POWER]
    assert torch.equal(ours[0].round(decimals=6), path[0].round(decimals=6))
    ratio = (ours[1] - ours[0]) / (path[1] - path[0])
    assert torch.allclose(ratio, torch.full((3,), 1.9 / 1.999**0.5, dtype=torch.float64), rtol=1e-4)
    assert "power of t" in trajectories.likeliest(trajectory(ours, path))


WITHOUT_POWER = [
    [0.9000009999899525, -1.900000002, 0.4000000005],
    [0.7702966662683928, -1.7672118159337067, 0.2679577407423186],
    [0.6228459038480609, -1.7014074591706918, 0.12041134658096095],
]
"""Positions after three steps of lr · (m / (1 − β₁)) / (√(v / (1 − β₂)) + ε), for the gradients above."""


def test_adamw_and_adam_are_told_apart():
    adam, adamw = (recorded(c, lr=0.1, weight_decay=0.1) for c in (torch.optim.Adam, torch.optim.AdamW))
    assert "as AdamW's" in trajectories.likeliest(trajectory(adamw, adam, weight_decay=0.1))
    assert "as Adam's" in trajectories.likeliest(trajectory(adam, adamw, weight_decay=0.1))


def test_nothing_is_said_of_a_trajectory_that_is_right():
    path = recorded(torch.optim.Adam, lr=0.1)
    assert trajectories.likeliest(trajectory(path, path)) == ""
    assert trajectories.likeliest(trajectory([p + 0.1 for p in path], path)) == ""
