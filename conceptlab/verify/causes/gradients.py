"""Patterns of values and gradients: constants, zeros, diagonals, masks, terms that are missing."""

import torch
from torch import Tensor

from conceptlab.verify.causes.evidence import Evidence, random_like, second, values
from conceptlab.verify.causes.numbers import explained, one, ratio


def scaled_value(seen: Evidence) -> str | None:
    """The value is a multiple of torch's."""
    if seen.value_right or isinstance(seen.ours, Exception) or isinstance(seen.theirs, Exception):
        return None
    ours, theirs = _several_values(seen)
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return None
    found = ratio(ours, theirs)
    if found is not None and (said := explained(seen, found, "value")):
        return said
    roughly = ratio(ours, theirs, within=1e-3)
    if roughly is not None and theirs.dim() > 1:
        # a normalized value has the root of the variance, and a little eps, in its denominator
        count = theirs.numel() // theirs.shape[1]
        for says, value in (
            ("unbiased variance, 1/(N − 1) where 1/N is meant", (count - 1) / count),
            ("biased variance, 1/N where 1/(N − 1) is meant", count / max(count - 1, 1)),
        ):
            if one(roughly**2, value, 1e-3):
                return f"the value is torch's times {roughly:.6g}, a root of N and N − 1: {says}"
    return None if found is None else f"the value is torch's times the constant {found:.6g}"


def _several_values(seen: Evidence) -> tuple[Tensor | None, Tensor | None]:
    """Ours and torch's; where that is one number, as for a loss, one for each of three inputs."""
    changes = [lambda t: t, lambda t: t * 0.9, lambda t: t * 0.7]
    results = []
    for of_torch in (False, True):
        found = [seen.asked(values, of_torch, seen.changed(change, first_only=True)) for change in changes]
        if not all(isinstance(value, Tensor) for value in found):
            return None, None
        results.append(found[0] if found[0].numel() > 1 else torch.stack(found))
    return results[0], results[1]


def another_mask(seen: Evidence) -> str | None:
    """Two backward passes through one call give two gradients."""
    if isinstance(seen.ours, Exception) or not seen.ours.differentiable or not seen.ours.leaves:
        return None
    y, grad = seen.ours.differentiable[0], random_like(seen.ours.differentiable[0], 0)
    passes = []
    for _ in range(4):
        try:
            passes.append(torch.autograd.grad(y, seen.ours.leaves[:1], grad, retain_graph=True, allow_unused=True)[0])
        except RuntimeError:
            return None
    if any(g is None for g in passes) or all(torch.equal(g.nan_to_num(), passes[0].nan_to_num()) for g in passes):
        return None
    return "backward draws random numbers: it has another mask than forward; save the mask of forward"


def detached_statistics(seen: Evidence) -> str | None:
    """The gradient is the upstream one times a factor of the channel, where torch's has terms of all elements."""
    factors = _factors(seen) if "norm" in seen.target.part.name.lower() else None
    if factors is None:
        return None
    for axes in _groups(factors):
        mean = factors.mean(axes, keepdim=True)
        if torch.allclose(factors, mean.expand_as(factors), rtol=1e-6, atol=0):
            return (
                "the statistics were computed under no_grad, or detached: the gradient lacks what flows through the "
                "mean and the variance"
            )
    return None


def diagonal_jacobian(seen: Evidence) -> str | None:
    """Each element's gradient depends on its own upstream gradient alone, where torch's depends on others, too."""
    if _factors(seen) is not None:
        return (
            "only the diagonal of the Jacobian: each result depends on several inputs, and backward has to add up the "
            "gradients of all results"
        )
    return None


def _factors(seen: Evidence) -> Tensor | None:
    """The gradient divided by the upstream one, where this does not depend on the latter; but torch's does."""
    if not seen.value_right or seen.gradient_right or seen.wrong_leaf != 0:
        return None
    found = []
    for outcome in (seen.ours, seen.theirs):
        y, x = outcome.differentiable[0], outcome.leaves[0]
        if y.shape != x.shape or y.numel() < 2:
            return None
        parts = []
        for seed in (1, 2):
            grad = random_like(y, seed)
            parts.append(torch.autograd.grad(y, [x], grad, retain_graph=True, materialize_grads=True)[0] / grad)
        found.append(parts)
    ours, theirs = found
    if torch.allclose(ours[0], ours[1], rtol=1e-6) and not torch.allclose(theirs[0], theirs[1], rtol=1e-6):
        return None if not ours[0].any() else ours[0].detach()
    return None


def _groups(factors: Tensor) -> list[tuple[int, ...]]:
    """Sets of axes that a norm takes its statistics over, of two values at least."""
    rank, every = factors.dim(), range(factors.dim())
    sets = [tuple(a for a in every if a != 1), tuple(every[1:]), tuple(every[2:]), (rank - 1,), tuple(every)]
    return [axes for axes in sets if axes and torch.tensor([factors.shape[a] for a in axes]).prod() > 1]


def zero_gradient(seen: Evidence) -> str | None:
    """backward returns zeros, or nothing."""
    if not seen.value_right or seen.gradient_right or isinstance(seen.our_gradients, Exception):
        return None
    if all(g is None or not g.any() for g in seen.our_gradients):
        return (
            "backward returns zeros, or the graph is cut: y.sum().backward() gives zero for softmax and norms, and "
            "tells nothing; use a random upstream gradient"
        )
    return None


def scaled_gradient(seen: Evidence) -> str | None:
    """The gradient is a multiple of torch's."""
    if not seen.value_right or seen.wrong_leaf is None:
        return None
    ours, theirs = seen.our_gradients[seen.wrong_leaf], seen.their_gradients[seen.wrong_leaf]
    found = ratio(ours, theirs) if isinstance(theirs, Tensor) else None
    if found is None:
        return None
    return explained(seen, found, "gradient") or f"the gradient is torch's times the constant {found:.6g}"


def assigned_terms(seen: Evidence) -> str | None:
    """The Jacobian is torch's where it is not zero, and lacks some of torch's entries."""
    if not seen.value_right or seen.gradient_right or seen.wrong_leaf is None:
        return None
    ours, theirs = seen.jacobian(of_torch=False), seen.jacobian(of_torch=True)
    if ours is None or theirs is None or not ours.any():
        return None
    there = ours != 0
    # a result of which torch's gradient knows, and ours does not
    if torch.allclose(ours[there], theirs[there]) and (theirs[~there] != 0).any():
        return (
            "the gradient is assigned where several contributions meet, so that only one of them is left: they are to "
            "be added up, as index_add_ and scatter_add_ do"
        )
    return None


def wrong_second_derivative(seen: Evidence) -> str | None:
    """Value and gradient are right, the second derivative is not."""
    if not seen.value_right or not seen.gradient_right:
        return None
    if seen.right(second) is False:
        return (
            "value and gradient are right, the second derivative is not: an intermediate was saved for backward, or "
            "detached there. Save inputs and outputs only, or return the intermediate as an output of the Function"
        )
    return None
