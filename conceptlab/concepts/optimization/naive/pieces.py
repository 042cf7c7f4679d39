"""What the definitions share: numbers that are tensors, complex parameters, and what is refused."""

import torch
from torch import Tensor


def scalar(x: float | Tensor) -> float | Tensor:
    return x.reshape(()) if isinstance(x, Tensor) else x


def as_real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def check_steps(where: str, params: list[Tensor], capturable: bool, **columns: list[Tensor]) -> None:
    for name, column in columns.items():
        if not all(isinstance(x, Tensor) for x in column):
            raise RuntimeError(f"{where}: `{name}` argument must contain a list of singleton tensors")
    devices = [{x.device.type for x in row} for row in zip(params, *columns.values(), strict=True)]
    if capturable and any(len(kinds) > 1 or kinds & {"cpu", "meta"} for kinds in devices):
        names = " and ".join(", ".join(["params", *columns]).rsplit(", ", 1))
        raise AssertionError(f"{where}: If capturable=True, {names} must be on supported devices: cuda, xpu")


def refuse_scaled_gradients(where: str, grad_scale: Tensor | None, found_inf: Tensor | None) -> None:
    if grad_scale is not None or found_inf is not None:
        raise NotImplementedError(f"{where}: Expected grad_scale and found_inf to be None; construct with fused=None")
