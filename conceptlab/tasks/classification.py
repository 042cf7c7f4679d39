"""Classification: a model, a loss, an optimizer, and the parts that they are computed with."""

from collections.abc import Mapping
from typing import Any

import hydra
import lightning.pytorch as L
import torch
from torch import Tensor

import conceptlab as cl
from conceptlab.data.order import derived_seed, seed_all
from conceptlab.tasks.divergence import require_finite

Batch = tuple[Tensor, Tensor]


class Classification(L.LightningModule):
    """Learns to tell classes apart.

    Everything is built by torch's own classes and then swapped, so that the first weights do not depend on the parts.
    Each training step draws its random numbers from (seed, epoch, batch), so that they depend neither on the parts
    nor on whether the run was interrupted.

    Args:
        model: the network, as a configuration with a ``_target_``; it turns (B, C, H, W) into logits (B, classes).
        loss: of logits and classes.
        optimizer: built of the parameters.
        scheduler: built of the optimizer, called once an epoch; None leaves the learning rate alone.
        parts: which implementation each part uses.
        seed: of the first weights, and of what is random in training.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        loss: Mapping[str, Any],
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None = None,
        parts: str | Mapping[str, Any] = "builtin",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.settings: Any = self.hparams
        with torch.random.fork_rng(devices=[]):
            seed_all(derived_seed(seed))
            self.model = hydra.utils.instantiate(model, _convert_="all")
            self.loss = hydra.utils.instantiate(loss, _convert_="all")
        self.reports = {
            "model": cl.swap(self.model, parts, functions=True),
            "loss": cl.swap(self.loss, parts, functions=True),
        }

    def forward(self, images: Tensor) -> Tensor:
        """The logits, (B, classes)."""
        return self.model(images)

    def step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of a batch."""
        images, labels = batch
        logits = self(images)
        return self.loss(logits, labels), (logits.argmax(1) == labels).float().mean()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Start the step's random numbers."""
        seed_all(derived_seed(self.settings.seed, self.current_epoch, batch_idx, self.global_rank), self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss to descend.

        Raises:
            NotFinite: it is NaN or infinite.
        """
        loss, accuracy = self.step(batch)
        require_finite(self, batch, loss)
        self.log_dict({"train/loss": loss, "train/accuracy": accuracy}, on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log ``val/loss`` and ``val/accuracy``."""
        self._log_evaluation("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log ``test/loss`` and ``test/accuracy``."""
        self._log_evaluation("test", batch)

    def _log_evaluation(self, stage: str, batch: Batch) -> None:
        loss, accuracy = self.step(batch)
        values = {f"{stage}/loss": loss, f"{stage}/accuracy": accuracy}
        self.log_dict(values, batch_size=len(batch[1]), prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """The optimizer and its scheduler, each on its parts."""
        optimizer = hydra.utils.instantiate(self.settings.optimizer, _convert_="all")(self.parameters())
        self.reports["optimizer"] = cl.swap(optimizer, self.settings.parts)
        configured = {"optimizer": optimizer}
        if self.settings.scheduler is not None:
            scheduler = hydra.utils.instantiate(self.settings.scheduler, _convert_="all")(optimizer)
            self.reports["scheduler"] = cl.swap(scheduler, self.settings.parts)
            configured["lr_scheduler"] = scheduler
        return configured
