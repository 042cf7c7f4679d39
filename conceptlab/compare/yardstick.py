"""What one rounding does to an experiment: the yardstick for every difference between two runs."""

import lightning.pytorch as L
import torch


class Yardstick(L.Callback):
    """Moves each weight to a neighbouring floating-point number before the first step, up or down by the seed.

    Training ends after ``steps`` steps: later both runs have long drifted apart, and nothing is judged by them.
    """

    def __init__(self, steps: int, seed: int = 0) -> None:
        self.steps = steps
        self.seed = seed

    @torch.no_grad()
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Move the weights. The draws are the callback's own, so that masks and batches stay the same."""
        generator = torch.Generator().manual_seed(self.seed)
        for weight in pl_module.parameters():
            up = torch.rand(weight.shape, generator=generator).to(weight.device) < 0.5
            weight.copy_(torch.nextafter(weight, torch.where(up, torch.inf, -torch.inf).to(weight.dtype)))

    def on_train_batch_end(self, trainer: L.Trainer, *unused: object) -> None:
        """End after the last step that is wanted."""
        trainer.should_stop = trainer.should_stop or trainer.global_step >= self.steps
