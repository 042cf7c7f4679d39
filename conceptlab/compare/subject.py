"""A variant's model, taken out of its run, to be measured."""

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from conceptlab.compare.runs import eps_of
from conceptlab.tasks.run import build

BATCHES = 8
"""So many of the first batches are used, over and over."""


class Subject:
    """The model, the optimizer and the first batches of a run, built from its configuration.

    Args:
        config: the run's.
        dtype: another precision than the run's; then it is not mixed.
    """

    def __init__(self, config: DictConfig, dtype: torch.dtype | None = None) -> None:
        self.task, data = build(config)
        precision = str(config.trainer.precision)
        self.eps = eps_of(precision)
        self.device = torch.device("cuda" if config.trainer.accelerator in ("gpu", "cuda") else "cpu")
        self.dtype = dtype or (torch.float64 if precision.startswith("64") else torch.float32)
        self.mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision) if not dtype else None
        self.task.to(self.device, self.dtype).train()
        self.optimizer = self.task.configure_optimizers()["optimizer"]
        data.prepare_data()
        data.setup()
        self.loading: list[float] = []
        self.batches = [self._moved(batch) for batch in self._timed(data.train_dataloader())]

    def forward(self, index: int) -> Tensor:
        """The loss of a batch; the same random numbers for the same index."""
        torch.manual_seed(index)
        with self._precision():
            return self.task.step(self._batch(index))[0]

    def update(self) -> None:
        """The optimizer's part of a step."""
        self.optimizer.step()
        self.optimizer.zero_grad()

    def step(self, index: int) -> None:
        """A whole training step."""
        self.forward(index).backward()
        self.update()

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Copies of the model's and the optimizer's state."""
        return copy.deepcopy((dict(self.task.state_dict()), self.optimizer.state_dict()))

    def step_from(self, state: tuple[Mapping, dict], index: int) -> dict[str, list[Tensor]]:
        """One step from a state: the gradients, the model's answers in evaluation, and by how much the weights move."""
        self.task.load_state_dict(state[0])
        # an optimizer goes on with the very tensors that it loads
        self.optimizer.load_state_dict(copy.deepcopy(state[1]))
        weights = [weight for weight in self.task.parameters() if weight.requires_grad]
        self.forward(index).backward()
        used = [weight for weight in weights if weight.grad is not None]
        gradients = [weight.grad.double() for weight in used if weight.grad is not None]
        before = [weight.detach().to(torch.float64, copy=True) for weight in used]
        told = {"gradient": gradients, "evaluation": [self._evaluation(index)]}
        self.update()
        told["update"] = [weight.detach() - old for weight, old in zip(used, before, strict=True)]
        return {name: [tensor.cpu() for tensor in tensors] for name, tensors in told.items()}

    @torch.no_grad()
    def _evaluation(self, index: int) -> Tensor:
        self.task.eval()
        with self._precision():
            answers = self.task(*self.task.given(self._batch(index)))
        self.task.train()
        return answers.double()

    def _batch(self, index: int) -> tuple[Tensor, Tensor]:
        return self.batches[index % len(self.batches)]

    def _precision(self) -> AbstractContextManager:
        return torch.autocast(self.device.type, self.mixed) if self.mixed else nullcontext()

    def _timed(self, loader: Any) -> Iterator[Any]:
        batches = islice(loader, BATCHES)
        while True:
            start = time.thread_time()
            batch = next(batches, None)
            if batch is None:
                return
            self.loading.append(1000 * (time.thread_time() - start))
            yield batch

    def _moved(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return tuple(self._as(tensor) for tensor in batch)  # type: ignore[return-value]

    def _as(self, tensor: Tensor) -> Tensor:
        # tokens and classes are numbers of something, whatever the precision
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else tensor.dtype)
