"""What all tasks share: a model, a loss, an optimizer, and the parts that they are computed with."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import hydra
import lightning.pytorch as L
import torch
from torch import Tensor

import conceptlab as cl
from conceptlab.data.order import derived_seed, seed_all
from conceptlab.swapping.clipping import swap_clipping
from conceptlab.tasks.divergence import require_finite
from conceptlab.tasks.exhibits import Exhibit

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


class Task(L.LightningModule):
    """Learns to answer inputs with targets.

    Everything is built by torch's own classes and then swapped, so that the first weights do not depend on the parts.
    Each training step draws its random numbers from (seed, epoch, batch), so that they depend neither on the parts
    nor on whether the run was interrupted.

    A subclass says what the model and the loss are given (`given`, `judged`), which figures are taken beside the loss
    (`figures`, `metrics`), and what else there is to see (`exhibits`).

    Args:
        model: the network, as a configuration with a ``_target_``.
        loss: of the model's answers and the targets.
        optimizer: built of the parameters.
        scheduler: built of the optimizer, called once an epoch; None leaves the learning rate alone.
        parts: which implementation each part uses.
        seed: of the first weights, and of what is random in training.
    """

    metrics: ClassVar[tuple[str, ...]] = ("loss",)
    """The names of what is measured in validation and test."""

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

    def forward(self, *given: Tensor) -> Tensor:
        """The model's answers."""
        return self.model(*given)

    @staticmethod
    def given(batch: Batch) -> tuple[Tensor, ...]:
        """What the model is given of a batch: its inputs."""
        return (batch[0],)

    @staticmethod
    def judged(answers: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the loss is given: the answers and the targets."""
        return answers, batch[1]

    def figures(self, answers: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What is measured beside the loss."""
        return {}

    def exhibits(self, stage: Literal["val", "test"]) -> Iterable[Exhibit]:
        """What there is to see when a validation, or the test, has ended."""
        return ()

    def step(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and figures of a batch."""
        answers = self(*self.given(batch))
        return self.loss(*self.judged(answers, batch)), self.figures(answers, batch)

    def evaluation(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and figures of a batch in validation and test; those of `step`, if a task says nothing else."""
        return self.step(batch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Start the step's random numbers."""
        seed_all(derived_seed(self.settings.seed, self.current_epoch, batch_idx, self.global_rank), self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss to descend.

        Raises:
            NotFinite: it is NaN or infinite.
        """
        loss, figures = self.step(batch)
        require_finite(self, batch, loss)
        self.log_dict(_named("train", loss, figures), on_step=True, on_epoch=False, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what `metrics` names, as ``val/loss`` and so on."""
        self.log_evaluation("val", batch, *self.evaluation(batch))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log what `metrics` names, as ``test/loss`` and so on."""
        self.log_evaluation("test", batch, *self.evaluation(batch))

    def log_evaluation(self, stage: str, batch: Batch, loss: Tensor, figures: Mapping[str, Tensor]) -> None:
        """Log loss and figures of a batch; an epoch's are the means over all samples."""
        values = _named(stage, loss, figures)
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

    def on_fit_start(self) -> None:
        """Have the Trainer clip gradients with its part."""
        self.reports["clipping"] = swap_clipping(self.trainer, self.settings.parts)

    def on_fit_end(self) -> None:
        """Give the Trainer its own clipping back."""
        self.reports["clipping"].undo()


def _named(stage: str, loss: Tensor, figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{stage}/loss": loss} | {f"{stage}/{name}": value for name, value in figures.items()}
