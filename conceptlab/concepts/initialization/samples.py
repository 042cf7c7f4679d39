"""Calls of the initializers: every argument, shapes with and without fans, all floating dtypes, empty tensors.

They write random numbers into leaves that require a gradient, so that none of the checks of ordinary functions applies
(there is nothing to differentiate, to map or to scale); `conceptlab.verify.suite.initializers` has their own.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch

from conceptlab.core.samples import Case, Sample

_SEVEN = 7.0  # which none of the functions writes

_WEIGHTS = {
    "linear": lambda: torch.full((6, 5), _SEVEN),
    "convolution": lambda: torch.full((8, 4, 3, 5), _SEVEN),
    "channels-last": lambda: torch.full((8, 4, 3, 3), _SEVEN).to(memory_format=torch.channels_last),
    "transposed": lambda: torch.full((5, 6), _SEVEN).t(),
    "every-other": lambda: torch.full((12, 5), _SEVEN)[::2],
    "parameter": lambda: torch.nn.Parameter(torch.full((7, 3, 2), _SEVEN)),
    "float64": lambda: torch.full((6, 5), _SEVEN, dtype=torch.float64),
    "bfloat16": lambda: torch.full((40, 25), _SEVEN, dtype=torch.bfloat16),
    "float16": lambda: torch.full((40, 25), _SEVEN, dtype=torch.float16),
    "blocked": lambda: torch.full((64, 33), _SEVEN),
    "high": lambda: torch.full((33, 6), _SEVEN),
    "volume": lambda: torch.full((6, 4, 2, 3, 2), _SEVEN),
    "volume-channels-last": lambda: torch.full((4, 3, 2, 3, 2), _SEVEN).to(memory_format=torch.channels_last_3d),
    "square": lambda: torch.full((64, 64), _SEVEN),  # of rows that nearly depend on one another
    "one-by-one": lambda: torch.full((1, 1), _SEVEN),
    "empty": lambda: torch.full((4, 0), _SEVEN),
    "no-rows": lambda: torch.full((0, 4), _SEVEN),
    "vector": lambda: torch.full((20,), _SEVEN),
    "scalar": lambda: torch.full((), _SEVEN),
    "integers": lambda: torch.full((3, 4), 7),
    "expanded": lambda: torch.full((1, 5), _SEVEN).expand(6, 5),
}
_MODES = [{"mode": mode, "nonlinearity": f} for mode in ("FAN_IN", "fan_out") for f in ("relu", "tanh", "linear")]
_KAIMING: list[dict[str, Any]] = [
    {},
    {"a": 5**0.5},
    {"a": 1, "mode": "fan_out"},
    *_MODES,
    {"mode": "fan_on"},
    {"nonlinearity": "gelu"},
]
_XAVIER: list[dict[str, Any]] = [{}, {"gain": 5 / 3}, {"gain": 0.0}]
_ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "uniform_": [{}, {"a": -3.0, "b": 2.5}, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0}],
    "normal_": [{}, {"mean": 2.0, "std": 0.1}, {"std": 0.0}, {"std": -1.0}],
    "trunc_normal_": [
        {},
        {"a": 0.0, "b": 0.7},  # 0.26 of the bell, and 0.3001: the two sides of the change of method
        {"a": 0.0, "b": 0.8421},
        {"std": 0.5, "a": 0.25, "b": 1.0},  # 0.29 of it, which is more where std is not seen, on either side
        {"std": 0.5, "a": -1.0, "b": -0.25},
        {"std": 0.1, "a": 1.0, "b": 1.2},  # ten times std away, and less than 2
        {"std": 0.1, "a": -1.2, "b": -1.0},
        {"mean": 0.5, "std": 0.02, "a": -0.04, "b": 0.54},
        {"a": 0.1, "b": 0.3},
        {"mean": -1.0, "std": 0.5, "a": 0.0, "b": 2.0},
        {"mean": 3.0, "a": 0.0, "b": 1.5},
        {"mean": 3.0, "a": 0.0, "b": 1.0},  # just twice std away
        {"mean": -3.0, "a": -1.0, "b": 0.0},
        {"mean": 9.0, "a": 5.0, "b": 8.0},
        {"mean": 9.0, "a": 0.0, "b": 6.0},
        {"mean": -9.0, "a": -6.5, "b": 0.0},
        {"std": 0.0},
    ],
    "constant_": [{"val": 0.3}, {"val": -2}, {"val": float("nan")}],
    "zeros_": [{}],
    "ones_": [{}],
    "xavier_uniform_": _XAVIER,
    "xavier_normal_": _XAVIER,
    "kaiming_uniform_": _KAIMING,
    "kaiming_normal_": _KAIMING,
    "orthogonal_": [{}, {"gain": 0.3}, {"gain": 0}],
}
_GAINS = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
_GAINS += ["sigmoid", "tanh", "relu", "selu", "leaky_relu", "gelu"]


def fillings(part_name: str, arguments: Iterable[Mapping[str, Any]] | None = None) -> Iterator[Sample]:
    """Calls of a function that fills a tensor, valid ones and others."""
    for kind, make in _WEIGHTS.items():
        for number, kwargs in enumerate(_ARGUMENTS[part_name] if arguments is None else arguments):
            yield Sample(f"{kind}-{number}", (make(),), kwargs)


def gains() -> Iterator[Sample]:
    """Calls of ``calculate_gain``, valid ones and others."""
    yield from (Sample(name, (name,)) for name in _GAINS)
    yield from (Sample(f"leaky_relu-{slope}", ("leaky_relu", slope)) for slope in (0.2, 1, 0, True, "steep"))


_DRAWS = ("uniform_", "normal_", "trunc_normal_")
_SCHEMES = ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_")

BENCH = (
    *(Case(name, "ResNet-18", lambda: (torch.empty(512, 256, 3, 3),)) for name in (*_DRAWS, *_SCHEMES)),
    *(Case(name, "ResNet-18", lambda: (torch.empty(512, 256, 3, 3),)) for name in ("zeros_", "ones_")),
    Case("constant_", "ResNet-18", lambda: (torch.empty(512, 256, 3, 3), 0.5)),
    Case("calculate_gain", "ResNet-18", lambda: ("relu",)),
    Case("orthogonal_", "PPO (MLP)", lambda: (torch.empty(64, 64),)),
    Case("orthogonal_", "LSTM, recurrent weights", lambda: (torch.empty(1024, 256),)),
    Case("orthogonal_", "DQN (Atari)", lambda: (torch.empty(512, 3136),)),
)
