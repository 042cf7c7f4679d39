"""Implementations as users write them: right ones, and one for each mistake."""

import math

import torch
from torch.optim import Optimizer
from torchvision.transforms import v2


class RightSGD(Optimizer):
    """From the formula, with nothing of ours and nothing of torch's own SGD."""

    def __init__(
        self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False
    ):  # fmt: skip
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if momentum < 0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "nesterov": nesterov, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, -p.grad if group["maximize"] else p.grad, group)
        return loss

    def move(self, p, g, group):
        if group["weight_decay"]:
            g = g.add(p, alpha=group["weight_decay"])
        p.sub_(float(group["lr"]) * self.direction(p, g, group))

    def direction(self, p, g, group):
        mu = group["momentum"]
        if not mu:
            return g
        state = self.state[p]
        buffer = state.get("momentum_buffer")
        state["momentum_buffer"] = g.clone() if buffer is None else mu * buffer + (1 - group["dampening"]) * g
        return g + mu * state["momentum_buffer"] if group["nesterov"] else state["momentum_buffer"]


class DecayInTheWrongPlace(RightSGD):
    """As AdamW does it, which is not the same once there is momentum."""

    def move(self, p, g, group):
        p.mul_(1 - float(group["lr"]) * group["weight_decay"])
        p.sub_(float(group["lr"]) * self.direction(p, g, group))


class MaximizeForgotten(RightSGD):
    """Takes the argument, and descends."""

    def move(self, p, g, group):
        super().move(p, p.grad, group)


class BufferOfTheGradient(RightSGD):
    """The first buffer is the gradient's own memory, which the next gradient overwrites."""

    def direction(self, p, g, group):
        fresh = "momentum_buffer" not in self.state[p]
        direction = super().direction(p, g, group)
        if fresh and group["momentum"]:
            self.state[p]["momentum_buffer"] = g
        return direction


class GraphKept(RightSGD):
    """Follows the closure's loss, with its graph."""

    def direction(self, p, g, group):
        self.state[p]["momentum_buffer"] = torch.ones(2, requires_grad=True)
        return g


class WrongWhenCompiled(RightSGD):
    """Stands still in compiled code."""

    def move(self, p, g, group):
        super().move(p, g * (not torch.compiler.is_compiling()), group)


class ScaleIgnored(torch.optim.SGD):
    """Is fused, by its own account, and takes scaled gradients for gradients."""

    def step(self, closure=None):
        for name in ("grad_scale", "found_inf"):
            vars(self).pop(name, None)
        return super().step(closure)


class RightAdam(torch.optim.Adam):
    """Kingma and Ba's formula, one parameter at a time."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, -p.grad if group["maximize"] else p.grad, group)
        return loss

    def move(self, p, g, group):
        state = self.state[p]
        for name in ("exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]):
            state.setdefault(name, torch.zeros_like(p))
        state.setdefault("step", torch.tensor(0.0))
        state["step"] += 1
        t, (b1, b2) = state["step"].item(), group["betas"]
        g = g + group["weight_decay"] * p
        m = state["exp_avg"].mul_(b1).add_((1 - b1) * g)
        v = state["exp_avg_sq"].mul_(b2).add_((1 - b2) * g * g)
        if group["amsgrad"]:
            v = torch.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        p.sub_(group["lr"] * m / self.correction(b1, t) / self.size(v / self.correction(b2, t), group["eps"]))

    def correction(self, beta, t):
        return 1 - beta**t

    def size(self, v, eps):
        return v.sqrt() + eps


class AdamWithoutThePower(RightAdam):
    def correction(self, beta, t):
        return 1 - beta


class AdamWithEpsInTheRoot(RightAdam):
    def size(self, v, eps):
        return (v + eps).sqrt()


class AdamOfFloat32(RightAdam):
    """Keeps half-precision state in float32, as many do."""

    def move(self, p, g, group):
        super().move(p, g, group)
        if p.dtype.itemsize == 2:
            self.state[p]["exp_avg"] = self.state[p]["exp_avg"].float()


class RightStepLR(torch.optim.lr_scheduler.LRScheduler):
    """From the formula, with nothing of ours and nothing of torch's own StepLR."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        factor = self.gamma if self.is_time() else 1
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def is_time(self):
        return self.last_epoch > 0 and self.last_epoch % self.step_size == 0

    def _get_closed_form_lr(self):
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class StepOneLate(RightStepLR):
    def is_time(self):
        return self.last_epoch > 1 and self.last_epoch % self.step_size == 1


class StepFromTheFirstRate(RightStepLR):
    """Forgets what others did to the learning rate."""

    def get_lr(self):
        return self._get_closed_form_lr()


class StepThatKeepsItsCount(RightStepLR):
    """Counts where no ``state_dict`` sees it."""

    __slots__ = ("own",)

    def is_time(self):
        self.own = getattr(self, "own", -1) + 1
        return self.own > 0 and self.own % self.step_size == 0


class StepOfAllGroupsAlike(RightStepLR):
    def get_lr(self):
        return [super().get_lr()[0]] * len(self.base_lrs)


def _bound(tensor, a, mode, nonlinearity, fans):
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of fan_in, fan_out")
    gain = torch.nn.init.calculate_gain(nonlinearity, a)
    fan = tensor[0].numel() if mode.lower() == fans[0] else tensor.shape[0] * tensor[0, 0].numel()
    return math.sqrt(3.0) * (gain / math.sqrt(fan))


def right_kaiming(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if 0 in tensor.shape:
        return torch.nn.init.kaiming_uniform_(tensor, a, mode, nonlinearity, generator)
    bound = _bound(tensor, a, mode, nonlinearity, ("fan_in", "fan_out"))
    with torch.no_grad():
        return tensor.uniform_(-bound, bound, generator=generator)


def kaiming_with_swapped_fans(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if 0 in tensor.shape:
        return torch.nn.init.kaiming_uniform_(tensor, a, mode, nonlinearity, generator)
    bound = _bound(tensor, a, mode, nonlinearity, ("fan_out", "fan_in"))
    with torch.no_grad():
        return tensor.uniform_(-bound, bound, generator=generator)


def kaiming_without_generator(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    return right_kaiming(tensor, a, mode, nonlinearity)


def kaiming_of_another_slope(tensor, a=0.01, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    return right_kaiming(tensor, a, mode, nonlinearity, generator)


def kaiming_in_a_copy(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    return right_kaiming(tensor, a, mode, nonlinearity, generator).clone()


def kaiming_that_takes_vectors(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if tensor.dim() < 2:
        return tensor
    return right_kaiming(tensor, a, mode, nonlinearity, generator)


class CropInAnotherOrder(v2.RandomCrop):
    """Draws left before top."""

    def make_params(self, flat_inputs):
        height, width = v2.query_size(flat_inputs)
        params = super().make_params(flat_inputs) if min(height, width) < max(self.size) or self.padding else None
        if params is not None:
            return params
        left = int(torch.randint(0, width - self.size[1] + 1, size=(1,)))
        top = int(torch.randint(0, height - self.size[0] + 1, size=(1,)))
        window = {"top": top, "left": left, "height": self.size[0], "width": self.size[1]}
        return {"needs_crop": True, "needs_pad": False, "padding": None, **window}


class NormalizeWithoutStd(v2.Normalize):
    def transform(self, inpt, params):
        return inpt - torch.tensor(self.mean, dtype=inpt.dtype)[:, None, None]


class NormalizeDetached(v2.Normalize):
    def transform(self, inpt, params):
        return super().transform(inpt.detach(), params)


class RightFlip(torch.nn.Module):
    """From the formula; no class of torchvision's stands above it."""

    def __init__(self, p=0.5):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs):
        images = inputs if len(inputs) > 1 else inputs[0]
        if torch.rand(1) >= self.p:
            return images
        return self.flipped(images)

    def flipped(self, images):
        done = []

        def flip(x):
            # an image, or the first plain tensor where there is none
            from torchvision import tv_tensors

            kinds = (tv_tensors.Image, tv_tensors.Video)
            leaves = torch.utils._pytree.tree_flatten(images)[0]
            chosen = isinstance(x, kinds) or (
                isinstance(x, torch.Tensor) and not done and not any(isinstance(leaf, kinds) for leaf in leaves)
            )
            if not chosen:
                return x
            done.append(x)
            flipped = x.as_subclass(torch.Tensor).flip(-1)
            return tv_tensors.wrap(flipped, like=x) if isinstance(x, kinds) else flipped

        return torch.utils._pytree.tree_map(flip, images)


class FlipOfLabels(RightFlip):
    """Flips every tensor that comes along."""

    def flipped(self, images):
        return torch.utils._pytree.tree_map(lambda x: x.flip(-1) if isinstance(x, torch.Tensor) else x, images)
