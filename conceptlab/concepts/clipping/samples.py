"""Gradients to be clipped, of which the checks make parameters, and calls whose speed is measured."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_ORDERS = (2.0, 1.0, 0.0, 3.0, 0.5, -1.0, math.inf, -math.inf)


def samples(part: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Gradients (None: there is none) as first argument: above and below the limit, every order, ends and mixtures."""
    for name, gradients in _gradients(dtype).items():
        for number, kwargs in enumerate(_arguments(part)):
            yield Sample(f"{name}-{number}", (gradients,), kwargs)


def _gradients(dtype: torch.dtype) -> dict[str, list[Tensor | None]]:
    places, rows = torch.tensor([[0, 2]]), torch.tensor([[1.0, 2.0], [-3.0, 4.0]], dtype=dtype)

    def g(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=dtype) * 3

    return {
        "several": [g(3, 4), None, g(5), g()],
        "one": [g(7)],
        "small": [g(3) * 0.01, g(2, 2) * 0.01],
        "zeros": [g(3) * 0, g(2)],
        # in float16 torch's own divides by 10⁻⁶ and overflows
        "only zeros": [g(3) * 0 if dtype is not torch.float16 else g(3)],
        "NaN": [torch.tensor([math.nan, 1.0], dtype=dtype), g(2)],
        "infinite": [torch.tensor([math.inf, -1.0], dtype=dtype), torch.tensor([-math.inf], dtype=dtype)],
        "nothing in one": [g(0), g(3)],
        "none": [],
        "no gradients": [None, None],
        "every other": [g(3, 4).t(), g(6)[::2]],
        "mixed": [g(3), torch.randn(4), torch.randn(2).to(torch.bfloat16), torch.randn(2).to(torch.float16)],
        "only complex": [torch.randn(3, dtype=torch.complex64)],
        "complex": [torch.randn(3, dtype=torch.complex64), torch.randn(2)],
        "expanded": [g(1).expand(4)],
        "sparse": [torch.sparse_coo_tensor(places, n * rows, (4, 2), check_invariants=True) for n in (1.0, 0.7, 0.3)],
    }


def _arguments(part: str) -> list[Mapping[str, Any]]:
    orders: list[Mapping[str, Any]] = [{"norm_type": p} for p in _ORDERS]
    more: list[Mapping[str, Any]] = [
        {"error_if_nonfinite": True},
        {"foreach": True},
        {"foreach": False, "norm_type": "inf"},
    ]
    if part == "get_total_norm":
        return [*orders, *more]
    if part == "clip_grad_norm_":
        limits: list[Mapping[str, Any]] = [{"max_norm": limit} for limit in (100.0, 0.0, -1.0, math.inf, "2", None)]
        return [*({"max_norm": 1.0, **kwargs} for kwargs in (*orders, *more)), *limits]
    if part == "clip_grads_with_norm_":
        norms = [torch.tensor(norm) for norm in (3.0, 0.5, 0.0, math.inf, math.nan)]
        calls: list[Mapping[str, Any]] = [{"max_norm": 1, "total_norm": norm} for norm in norms]
        return [*calls, *({"max_norm": 2.0, "total_norm": norms[0], "foreach": foreach} for foreach in (True, False))]
    values: list[Mapping[str, Any]] = [{"clip_value": limit} for limit in (1.0, 0, -1.0, math.inf, "2", None)]
    return [*values, *({"clip_value": 2.0, "foreach": foreach} for foreach in (True, False))]


_SHAPES = {
    "LSTM, 2 layers": [(1024, 256), (1024, 256), (1024,), (1024,)] * 2,
    "ResNet-18 (ImageNet)": [*((512, 256, 3, 3), (256, 256, 3, 3), (128, 128, 3, 3), (64, 64, 3, 3)), *[(256,)] * 40],
}


def _parameters(network: str) -> list[torch.nn.Parameter]:
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in _SHAPES[network]]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


BENCH = (
    *(Case("clip_grad_norm_", network, lambda n=network: (_parameters(n), 1.0)) for network in _SHAPES),
    *(Case("clip_grad_value_", network, lambda n=network: (_parameters(n), 1.0)) for network in _SHAPES),
)
