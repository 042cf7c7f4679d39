"""Classification: which class something belongs to."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from conceptlab.tasks.exhibits import Exhibit, Heatmap
from conceptlab.tasks.task import Batch, Task

MOST_SHOWN = 30
"""With more classes than these, nobody could read the table of confusions."""


class Classification(Task):
    """Learns to tell classes apart.

    The model turns inputs, images (B, C, H, W) for instance, into logits (B, classes); the targets are classes, (B).
    """

    metrics = ("loss", "accuracy")

    def figures(self, answers: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The share of answers that are right."""
        return {"accuracy": (answers.argmax(1) == batch[1]).float().mean()}

    def on_test_epoch_start(self) -> None:
        """Nothing has been confused yet."""
        self.confusions: Any = 0

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log ``test/loss`` and ``test/accuracy``, and count which class was taken for which."""
        answers = self(*self.given(batch))
        self.log_evaluation("test", batch, self.loss(*self.judged(answers, batch)), self.figures(answers, batch))
        classes = answers.shape[1]
        cells = torch.bincount(batch[1] * classes + answers.argmax(1), minlength=classes**2)
        self.confusions = self.confusions + cells.unflatten(0, (classes, classes))

    def exhibits(self, stage: Literal["val", "test"]) -> Iterable[Exhibit]:
        """How often which class was taken for which."""
        if stage == "test" and len(self.confusions) <= MOST_SHOWN:
            trainer: Any = self.trainer
            counts = trainer.strategy.reduce(self.confusions, reduce_op="sum").cpu()
            classes = [str(name) for name in trainer.datamodule.class_names or range(len(counts))]
            yield Heatmap(
                "confusion",
                title="Confusion matrix of the test data",
                caption="In each row, how often what is of that class was taken for what; the shade is the share.",
                values=(counts / counts.sum(1, keepdim=True).clamp(min=1)).tolist(),
                rows=classes,
                columns=classes,
                row_label="is",
                column_label="taken for",
                written=[[str(count) if count else "" for count in row] for row in counts.tolist()],
            )
