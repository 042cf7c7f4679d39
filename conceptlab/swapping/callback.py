"""`SwapParts`: the same exchange for anybody's LightningModule, as a callback."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch.optim.lr_scheduler import LRScheduler

from conceptlab.core import Parts, message
from conceptlab.swapping.answering import answer_functions
from conceptlab.swapping.clipping import swap_clipping
from conceptlab.swapping.objects import swap
from conceptlab.swapping.report import SwapReport
from conceptlab.swapping.wanted import Only

_STEPS = ("training_step", "validation_step", "test_step", "predict_step")


class SwapParts(L.Callback):
    """Exchange the parts of a LightningModule and of its optimizers, whatever project they come from.

    Modules are swapped before Lightning asks for the optimizers, and once more when everything is set up, for layers
    that ``setup`` or ``configure_model`` have made; optimizers as soon as they exist. It does so for fit, validate,
    test and predict. The model stays swapped afterwards; ``callback.undo()`` takes everything back. The Trainer itself
    clips gradients with its part as long as it fits.

    Args:
        parts: the parts setting; see `conceptlab.Parts`.
        only: limits it to modules of some qualified names; see `conceptlab.swap`.
        functions: whether also the functions that ``forward`` and the steps call are answered: the loss, for instance.
        optimizers: whether optimizers are swapped, too, their schedulers, and what clips their gradients.

    Attributes:
        reports: what each swap did.
    """

    def __init__(
        self,
        parts: "str | Mapping[str, Any] | Parts",
        *,
        only: Only | None = None,
        functions: bool = False,
        optimizers: bool = True,
    ) -> None:
        self.parts = Parts(parts)
        self.only = only
        self.functions = functions
        self.optimizers = optimizers
        self.reports: list[SwapReport] = []
        self._clipping = SwapReport()

    def undo(self) -> None:
        """Put the model and the optimizers back as they were."""
        while self.reports:
            self.reports.pop().undo()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Swap before the optimizers are made."""
        if trainer._accelerator_connector._layer_sync is not None:
            raise ValueError(
                message(
                    "SwapParts",
                    expected="Trainer(sync_batchnorm=False)",
                    received="sync_batchnorm=True, which would replace every batch normalization by torch's own",
                    remedy="Leave it out, or convert the model yourself and swap afterwards.",
                )
            )
        self._swap_model(pl_module)
        if self.functions:
            report = SwapReport()
            answer_functions(pl_module, self.parts, report, tuple(s for s in _STEPS if is_overridden(s, pl_module)))
            self._keep(report)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap the optimizers, and what was made since `setup`."""
        self._swap_model(pl_module)
        if self.optimizers:
            self._clipping = swap_clipping(trainer, self.parts)
            if self._clipping.swapped or self._clipping.skipped:
                self.reports.append(self._clipping)
            for optimizer in trainer.optimizers:
                self._keep(swap(optimizer, self.parts))
            for config in trainer.lr_scheduler_configs:
                if isinstance(config.scheduler, LRScheduler):
                    self._keep(swap(config.scheduler, self.parts))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap what was made since `setup`; within fit that has been done."""
        self._swap_model(pl_module)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap what was made since `setup`."""
        self._swap_model(pl_module)

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Swap what was made since `setup`."""
        self._swap_model(pl_module)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give the Trainer its own clipping back."""
        self._clipping.undo()

    def _swap_model(self, pl_module: L.LightningModule) -> None:
        self._keep(swap(pl_module, self.parts, only=self.only))

    def _keep(self, report: SwapReport) -> None:
        # a second look at a model that is swapped already finds the same reasons to skip, and nothing to swap
        if report.swapped or not self.reports:
            self.reports.append(report)
