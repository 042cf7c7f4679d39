# Written by `python -m conceptlab.stubs`, with torch 2.14. Do not edit.

import collections.abc
import conceptlab.concepts.optimization
import torch
import typing
from torch.optim import Optimizer as Optimizer
from conceptlab.optim import lr_scheduler as lr_scheduler

class Adagrad(conceptlab.concepts.optimization.Adagrad):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., lr_decay: float = ..., weight_decay: float = ..., initial_accumulator_value: float = ..., eps: float = ..., foreach: bool | None = ..., *, maximize: bool = ..., differentiable: bool = ..., fused: bool | None = ..., tier: str = ...) -> None: ...
class Adam(conceptlab.concepts.optimization.Adam):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., betas: tuple[float | torch.Tensor, float | torch.Tensor] = ..., eps: float = ..., weight_decay: float = ..., amsgrad: bool = ..., *, foreach: bool | None = ..., maximize: bool = ..., capturable: bool = ..., differentiable: bool = ..., fused: bool | None = ..., decoupled_weight_decay: bool = ..., tier: str = ...) -> None: ...
class AdamW(conceptlab.concepts.optimization.AdamW):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., betas: tuple[float | torch.Tensor, float | torch.Tensor] = ..., eps: float = ..., weight_decay: float = ..., amsgrad: bool = ..., *, maximize: bool = ..., foreach: bool | None = ..., capturable: bool = ..., differentiable: bool = ..., fused: bool | None = ..., tier: str = ...) -> None: ...
class NAdam(conceptlab.concepts.optimization.NAdam):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., betas: tuple[float, float] = ..., eps: float = ..., weight_decay: float = ..., momentum_decay: float = ..., decoupled_weight_decay: bool = ..., *, foreach: bool | None = ..., maximize: bool = ..., capturable: bool = ..., differentiable: bool = ..., tier: str = ...) -> None: ...
class RMSprop(conceptlab.concepts.optimization.RMSprop):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., alpha: float = ..., eps: float = ..., weight_decay: float = ..., momentum: float = ..., centered: bool = ..., capturable: bool = ..., foreach: bool | None = ..., maximize: bool = ..., differentiable: bool = ..., *, tier: str = ...) -> None: ...
class SGD(conceptlab.concepts.optimization.SGD):
    def __init__(self, params: collections.abc.Iterable[torch.Tensor] | collections.abc.Iterable[dict[str, typing.Any]] | collections.abc.Iterable[tuple[str, torch.Tensor]], lr: float | torch.Tensor = ..., momentum: float = ..., dampening: float = ..., weight_decay: float | torch.Tensor = ..., nesterov: bool = ..., *, maximize: bool = ..., foreach: bool | None = ..., differentiable: bool = ..., fused: bool | None = ..., tier: str = ...) -> None: ...
