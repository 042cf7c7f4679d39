"""Patterns of optimizers: which wrong update explains the first steps of a trajectory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from conceptlab.verify.target import Target


@dataclass(frozen=True)
class Trajectory:
    """The first steps of an optimizer.

    Attributes:
        start: the parameter before the first step.
        gradients: the gradient that each step was given.
        ours: the parameter after each step.
        theirs: the parameter after each step of torch's optimizer, from the same start, for gradients of the same loss.
        settings: the optimizer's defaults: ``lr``, ``betas``, ``eps``, ``weight_decay``.
    """

    start: Tensor
    gradients: Sequence[Tensor]
    ours: Sequence[Tensor]
    theirs: Sequence[Tensor]
    settings: Mapping[str, Any]


STIFFNESS = torch.tensor([1e-8, 1e-5, 1e-2, 1.0, 10.0], dtype=torch.float64)
"""The second derivatives of the quadratic that is gone down: some gradients are as small as eps."""


def gone(target: Target, settings: Mapping[str, Any], steps: int = 4) -> Trajectory:
    """The first steps of an optimizer, and of torch's, down a quadratic."""
    paths: list[list[Tensor]] = []
    gradients: list[Tensor] = []
    start = torch.linspace(1, 2, len(STIFFNESS), dtype=torch.float64)
    for optimizer_class in (target.implementation, target.builtin):
        w = start.clone().requires_grad_()
        path: list[Tensor] = []
        optimizer = optimizer_class([w], **settings)
        for _ in range(steps):
            optimizer.zero_grad()
            (STIFFNESS * w.square()).sum().div(2).backward()
            if not paths and w.grad is not None:
                gradients.append(w.grad.clone())
            optimizer.step()
            path.append(w.detach().clone())
        paths.append(path)
    return Trajectory(start, gradients, paths[0], paths[1], {**optimizer.defaults, **settings})


def without_power(path: Trajectory) -> str | None:
    """The first step is right; the second is longer by (1 + β₁) / √(1 + β₂), as 1 − β is not 1 − β²."""
    beta1, beta2 = path.settings["betas"]
    if _explains(path, _adam(path, correction=lambda beta, step: 1 - beta)):
        return (
            "Adam's bias correction lacks the power of t: the averages are divided by 1 − β at every step, and not by "
            f"1 − βᵗ; the second step is (1 + β₁)/√(1 + β₂) = {(1 + beta1) / (1 + beta2) ** 0.5:.6g} times torch's"
        )
    return None


def eps_inside_root(path: Trajectory) -> str | None:
    """The first step is (|g| + ε) / √(g² + ε) times torch's, which shows where the gradient is small."""
    if _explains(path, _adam(path, root=lambda v, eps: (v + eps).sqrt())):
        return "eps stands inside the root, √(v + ε): torch's denominator is √v + ε; small gradients make smaller steps"
    return None


def decoupled_decay(path: Trajectory) -> str | None:
    """The weights shrink by themselves, where torch adds the decay to the gradient."""
    if path.settings.get("weight_decay") and _explains(path, _adam(path, decoupled=True)):
        return (
            "weight decay in the wrong place: weights shrink by lr · λ, as AdamW's do; Adam adds λ · w to the gradient"
        )
    return None


def coupled_decay(path: Trajectory) -> str | None:
    """The decay is added to the gradient, where torch shrinks the weights."""
    if path.settings.get("weight_decay") and _explains(path, _adam(path)):
        return (
            "weight decay in the wrong place: it is added to the gradient, as Adam's; AdamW's weights shrink by lr · λ"
        )
    return None


PATTERNS: tuple[Callable[[Trajectory], str | None], ...] = (
    without_power,
    eps_inside_root,
    decoupled_decay,
    coupled_decay,
)
"""Each says a sentence, or None."""


def likeliest(path: Trajectory) -> str:
    """The first pattern that explains the trajectory; empty where none does, or where nothing is wrong."""
    if "betas" not in path.settings or _alike(path, path.ours, path.theirs):
        return ""
    return next((said for pattern in PATTERNS if (said := pattern(path)) is not None), "")


def _adam(
    path: Trajectory,
    *,
    correction: Callable[[float, int], float] = lambda beta, step: 1 - beta**step,
    root: Callable[[Tensor, float], Tensor] = lambda v, eps: v.sqrt() + eps,
    decoupled: bool = False,
) -> list[Tensor]:
    """Adam on the gradients that were given, in three lines that may be replaced."""
    (beta1, beta2), lr, decay = path.settings["betas"], path.settings["lr"], path.settings.get("weight_decay", 0.0)
    w, m, v, found = path.start.clone(), torch.zeros_like(path.start), torch.zeros_like(path.start), []
    for step, grad in enumerate(path.gradients[: len(path.ours)], 1):
        if decoupled:
            w = w * (1 - lr * decay)
        else:
            grad = grad + decay * w
        m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
        w = w - lr * (m / correction(beta1, step)) / root(v / correction(beta2, step), path.settings["eps"])
        found.append(w)
    return found


def _explains(path: Trajectory, supposed: Sequence[Tensor]) -> bool:
    """Whether it is what the target did, and not what torch did."""
    return _alike(path, path.ours, supposed) and not _alike(path, path.theirs, supposed)


def _alike(path: Trajectory, some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether the steps are the same; of the positions the steps are but a small part."""
    ours, theirs = (torch.stack([path.start, *positions]).diff(dim=0) for positions in (some, others))
    return torch.allclose(ours, theirs, rtol=1e-9, atol=1e-14)
