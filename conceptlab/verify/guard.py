"""Global settings, torch's and Python's: what a call may not change, and what is put back if it does."""

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Setting:
    """How a setting is read and written."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _set_device(device: torch.device) -> None:
    # torch says "cpu" where none was chosen; choosing it would leave a function mode active
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _autocast() -> tuple[bool, ...]:
    return tuple(map(torch.is_autocast_enabled, ("cpu", "cuda")))


def _set_autocast(value: tuple[bool, ...]) -> None:
    for device, enabled in zip(("cpu", "cuda"), value, strict=True):
        torch.set_autocast_enabled(device, enabled)


def _set_filters(filters: tuple) -> None:
    warnings.resetwarnings()
    warnings.filters.extend(filters)  # type: ignore[attr-defined]  # typeshed has a sequence, Python a list


def _numpy() -> tuple:
    name, keys, *rest = np.random.get_state(legacy=True)
    return name, np.asarray(keys).tobytes(), *rest


def _set_numpy(value: tuple) -> None:
    name, keys, *rest = value
    np.random.set_state((name, np.frombuffer(keys, dtype=np.uint32), *rest))


SETTINGS: Mapping[str, Setting] = {
    "default dtype": Setting(torch.get_default_dtype, torch.set_default_dtype),
    "default device": Setting(torch.get_default_device, _set_device),
    "grad mode": Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    "autocast": Setting(_autocast, _set_autocast),
    "anomaly detection": Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic algorithms": Setting(_deterministic, _set_deterministic),
    "number of threads": Setting(torch.get_num_threads, torch.set_num_threads),
    "float32 matmul precision": Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "warnings filters": Setting(lambda: tuple(warnings.filters), _set_filters),
    "Python's random numbers": Setting(random.getstate, random.setstate),
    "NumPy's random numbers": Setting(_numpy, _set_numpy),
}
"""What is watched. torch's own random numbers are not among them: whoever draws changes them, as torch does; nor the
flags of cuDNN, which PyTorch's test material, once it is imported, lets nobody set."""

Changes = dict[str, tuple[Any, Any]]
"""For each setting that was changed: before, and after."""


@contextmanager
def restored() -> Iterator[Changes]:
    """Put back, after the block, what it changed; what that was is then in the mapping.

    >>> with restored() as changes:
    ...     torch.set_default_dtype(torch.float64)
    >>> changes, torch.get_default_dtype()
    ({'default dtype': (torch.float32, torch.float64)}, torch.float32)
    """
    before = {name: setting.read() for name, setting in SETTINGS.items()}
    changes: Changes = {}
    try:
        yield changes
    finally:
        for name, setting in SETTINGS.items():
            after = setting.read()
            if after != before[name]:
                changes[name] = before[name], after
                setting.write(before[name])
