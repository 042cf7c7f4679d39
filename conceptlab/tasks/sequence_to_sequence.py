"""From one sequence to another."""

from collections.abc import Iterable
from typing import Any, Literal

from torch import Tensor

from conceptlab.tasks.exhibits import Exhibit, Heatmap
from conceptlab.tasks.task import Batch, Task

SHOWN = 2
"""So many sequences' attention is shown."""


class SequenceToSequence(Task):
    """Learns to answer a sequence with another one.

    The model turns sources (B, S) and targets (B, L) into logits (B, L, V), each from the targets before, and has
    `translate`, as `conceptlab.models.Seq2Seq` has. Training is told the tokens before (teacher forcing); validation
    and test are not: a sequence counts as right when the model, left alone, gets every token of it right.
    """

    metrics = ("loss", "accuracy")

    @staticmethod
    def given(batch: Batch) -> tuple[Tensor, ...]:
        """Sources, and targets of which each token is seen by those after it."""
        return batch

    @staticmethod
    def judged(answers: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """All tokens of all sequences as one batch, (B·L, V) and (B·L)."""
        return answers.flatten(0, 1), batch[1].flatten()

    def evaluation(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss as in training, and the share of sequences that are right as a whole."""
        source, target = batch
        loss, _ = self.step(batch)
        answers, _ = self.model.translate(source, target.shape[1])
        return loss, {"accuracy": (answers == target).all(1).float().mean()}

    def exhibits(self, stage: Literal["val", "test"]) -> Iterable[Exhibit]:
        """Where the model looked for each token of some test sequences."""
        if stage == "test":
            trainer: Any = self.trainer
            inputs, targets = trainer.datamodule.splits["test"]
            sources = inputs(list(range(min(SHOWN, len(targets))))).to(self.device)
            answers, maps = self.model.translate(sources, targets.shape[1])
            for number, (source, answer, attention) in enumerate(zip(sources, answers, maps, strict=True), start=1):
                yield Heatmap(
                    f"attention_{number}",
                    title=f"Attention, test sequence {number}",
                    caption="Each row is a symbol that the model wrote; the darker a cell, the more it looked at the "
                    "symbol of that column when it did.",
                    values=attention.tolist(),
                    rows=[str(symbol) for symbol in answer.tolist()],
                    columns=[str(symbol) for symbol in source.tolist()],
                    row_label="written",
                    column_label="read",
                )
