"""Adam, wrong in ways that were published."""

from typing import Any

import torch
from torch import Tensor


class RightAdam(torch.optim.Adam):
    """Adam as it should be, in pieces: each class below gets one of them wrong."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        if getattr(self, "grad_scale", None) is not None:
            raise NotImplementedError("gradients that GradScaler has scaled; leave fused=True out")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, -parameter.grad if group["maximize"] else parameter.grad, group)
        return loss

    def update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.tensor(0.0, dtype=torch.float32 if group["fused"] else torch.get_default_dtype())
            names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
            state.update({name: torch.zeros_like(parameter) for name in names})
        state["step"] += 1
        # a complex number is two real ones
        real = {name: _real(value) for name, value in state.items()}
        parameter, grad = _real(parameter), _real(grad)
        grad = self.decayed(parameter, grad, group)
        mean = real["exp_avg"].mul_(beta1).add_(grad, alpha=1 - beta1)
        second = real["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            second = torch.maximum(real["max_exp_avg_sq"], second, out=real["max_exp_avg_sq"])
        corrections = [self.correction(beta, int(state["step"].item())) for beta in (beta1, beta2)]
        denominator = self.denominator(second / corrections[1], group["eps"])
        parameter.addcdiv_(mean, denominator, value=-float(group["lr"]) / corrections[0])

    def decayed(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
        if group["decoupled_weight_decay"]:
            parameter.mul_(1 - float(group["lr"]) * group["weight_decay"])
            return grad
        return grad + group["weight_decay"] * parameter

    def correction(self, beta: float, step: int) -> float:
        return 1 - beta**step

    def denominator(self, second: Tensor, eps: float) -> Tensor:
        return second.sqrt() + eps


def _real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


class AdamWithoutPower(RightAdam):
    """The averages are divided by 1 − β at every step; it is 1 − βᵗ."""

    def correction(self, beta: float, step: int) -> float:
        return 1 - beta


class AdamEpsInsideRoot(RightAdam):
    """√(v + ε) in place of √v + ε."""

    def denominator(self, second: Tensor, eps: float) -> Tensor:
        return (second + eps).sqrt()


class AdamWithDecoupledDecay(RightAdam):
    """The weights decay by themselves, as in AdamW; Adam adds the decay to the gradient."""

    def decayed(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
        parameter.mul_(1 - float(group["lr"]) * group["weight_decay"])
        return grad
