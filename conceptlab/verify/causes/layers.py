"""Patterns of layers: their state, their mode, their running statistics."""

from dataclasses import replace

import torch
from torch import Tensor

from conceptlab.verify.causes.evidence import Evidence
from conceptlab.verify.causes.numbers import one, ratio


def no_buffers(seen: Evidence) -> str | None:
    """Names that torch's state has and the layer's lacks."""
    if not seen.target.part.is_class:
        return None
    ours, theirs = (seen.target.built(seen.sample, of_torch=of_torch) for of_torch in (False, True))
    for kind, remedy in (("buffers", "register_buffer"), ("parameters", "nn.Parameter")):
        known = dict(getattr(ours, f"named_{kind}")())
        lacking = [name for name, _ in getattr(theirs, f"named_{kind}")() if name not in known]
        if lacking:
            return f"{', '.join(lacking)}: no {kind}, so they are not in state_dict and stay behind in .to(); {remedy}"
    return None


def buffers_keep_the_graph(seen: Evidence) -> str | None:
    """A running statistic that was not detached."""
    if not seen.target.part.is_class or isinstance(seen.ours, Exception):
        return None
    kept = [name for name, buffer in seen.modules[False].named_buffers() if buffer.requires_grad]
    if kept:
        return (
            f"{', '.join(kept)} keeps the graph of the call, and with it the memory of every step: detach what it takes"
        )
    return None


def mode_from_grad_enabled(seen: Evidence) -> str | None:
    """Training and evaluation are told apart by whether gradients are recorded."""
    if not seen.target.part.is_class:
        return None

    def right(training: bool, recording: bool) -> bool:
        modules = [seen.target.built(seen.sample, of_torch=t).train(training) for t in (False, True)]
        with torch.set_grad_enabled(recording):
            ours, theirs = (module(*seen.sample.args, **seen.sample.kwargs).detach() for module in modules)
        return torch.allclose(ours, theirs)

    if right(True, True) and right(False, False) and not (right(True, False) and right(False, True)):
        return "the mode is taken from torch.is_grad_enabled(); it is self.training"
    return None


def biased_statistics(seen: Evidence) -> str | None:
    """A running statistic that follows a multiple of what torch's follows."""
    if isinstance(seen.theirs, Exception):
        return None
    for name, ours, theirs in _followed(seen):
        found = ratio(ours, theirs)
        if found is None or abs(found - 1) < 1e-9:
            continue
        count = _first(seen).numel() // max(1, theirs.numel())
        if one(found, (count - 1) / max(count, 1)):
            return (
                f"biased variance: {name} follows the variance with 1/N, torch's the one with 1/(N − 1); "
                f"they differ by N/(N − 1) = {1 / found:.6g}"
            )
        if count > 1 and one(found, count / (count - 1)):
            return f"{name} follows a variance that is multiplied by N/(N − 1) once too often"
        momentum = seen.settings.get("momentum", 0.1)
        if isinstance(momentum, float) and 0 < momentum < 1 and one(found, (1 - momentum) / momentum):
            return f"{name}: momentum is the share of the new batch, here it is taken for that of the old"
        return f"{name} follows {found:.6g} times what torch's follows"
    return None


def _first(seen: Evidence) -> Tensor:
    return next(t for t in seen.theirs.leaves)


def _followed(seen: Evidence) -> list[tuple[str, Tensor, Tensor]]:
    """Running statistics after one call that started from zeros: name, ours, torch's."""
    if seen.target.part.is_class:
        modules = [seen.target.built(seen.sample, of_torch=of_torch).train() for of_torch in (False, True)]
        for module in modules:
            for buffer in module.buffers():
                buffer.zero_()
            module(*seen.sample.args, **seen.sample.kwargs)
        ours, theirs = (dict(module.named_buffers()) for module in modules)
        return [(n, b.detach(), theirs[n]) for n, b in ours.items() if n in theirs and b.is_floating_point()]
    args = seen.sample.args
    # what a function may follow are tensors beside the input that have no gradient
    places = [i for i, a in enumerate(args) if i and isinstance(a, Tensor) and not a.requires_grad]
    zeroed = tuple(torch.zeros_like(a) if i in places else a for i, a in enumerate(args))
    results = [seen.outcome(of_torch, replace(seen.sample, args=zeroed)).arguments[0] for of_torch in (False, True)]
    return [(f"argument {i}", results[0][i].detach(), results[1][i].detach()) for i in places]


def gradient_assigned(seen: Evidence) -> str | None:
    """backward writes to ``.grad`` itself, even where only the input's gradient is asked for."""
    if not seen.target.part.is_class or not seen.value_right:
        return None
    outcome = seen.outcome(False)
    named = dict(seen.modules[False].named_parameters())
    for parameter in named.values():
        parameter.grad = torch.ones_like(parameter)
    y = outcome.differentiable
    torch.autograd.grad(y, outcome.leaves[:1], [torch.ones_like(t) for t in y])
    written = [name for name, p in named.items() if p.grad is None or not (p.grad == 1).all()]
    if written:
        return (
            f"backward writes to {', '.join(written)}.grad itself, so that a second backward replaces the first: "
            "return the gradient, and let autograd accumulate it"
        )
    return None
