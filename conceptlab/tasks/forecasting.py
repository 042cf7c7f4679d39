"""Forecasting: the next value of a series, and whether the network was worth the trouble."""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from conceptlab.tasks.exhibits import Exhibit, Lines
from conceptlab.tasks.task import Batch, Task


class Forecasting(Task):
    """Learns to continue a series.

    The model turns values (B, T, 1) into the next one, (B, 1). Its mean squared error in the series' own units,
    ``mse``, stands beside those of two forecasts that need no network: ``mse_last_value``, of the last value once more,
    and ``mse_linear``, of the linear autoregression on the same values, fitted to the training data by least squares.
    """

    metrics = ("mse", "mse_linear", "mse_last_value", "loss")

    def setup(self, stage: str) -> None:
        """Fit the linear autoregression."""
        self.coefficients = autoregression(*self._split("train"))

    def evaluation(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the errors of the three forecasts."""
        loss, _ = self.step(batch)
        truth = self._original(batch[1])
        errors = [(self._original(forecast) - truth).square().mean() for forecast in self.forecasts(batch[0])]
        return loss, dict(zip(("mse", "mse_linear", "mse_last_value"), errors, strict=True))

    def forecasts(self, series: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next value, (B, 1): by the model, by the linear autoregression, and the last one once more."""
        return self(series), continued(series, self.coefficients.to(series)), series[:, -1]

    def exhibits(self, stage: Literal["val", "test"]) -> Iterable[Exhibit]:
        """The forecasts of the test data."""
        if stage == "test":
            series, targets = self._split("test")
            with torch.no_grad():
                own, linear, _ = self.forecasts(series.to(self.device))
            truth, forecast, fitted = (
                self._original(values.cpu()).flatten().tolist() for values in (targets, own, linear)
            )
            trainer: Any = self.trainer
            yield Lines(
                "forecasts",
                title="Forecasts of the test data",
                caption="Each from the values before, by one step.",
                x=trainer.datamodule.times["test"],
                truth={"as it was": truth},
                own={"forecast": forecast},
                others={"linear autoregression": fitted},
            )

    def _split(self, name: str) -> tuple[Tensor, Tensor]:
        """The series and the targets of a split, all of them."""
        trainer: Any = self.trainer
        inputs, targets = trainer.datamodule.splits[name]
        return inputs(list(range(len(targets)))), targets

    def _original(self, values: Tensor) -> Tensor:
        trainer: Any = self.trainer
        return trainer.datamodule.original(values)


def autoregression(series: Tensor, targets: Tensor) -> Tensor:
    """The coefficients of a linear autoregression, (T + 1, 1), the constant last, fitted by least squares.

    >>> series = torch.tensor([[1.0, 2.0], [2.0, 3.0], [4.0, 1.0]]).unsqueeze(2)
    >>> autoregression(series, 2 * series[:, 0] + series[:, 1] + 3).flatten().round(decimals=3)
    tensor([2., 1., 3.])

    Args:
        series: (N, T, 1).
        targets: what comes after each, (N, 1).
    """
    # float32 would lose half the digits in neighbours that are much alike
    return torch.linalg.lstsq(_with_constant(series.double()), targets.double()).solution.to(series.dtype)


def continued(series: Tensor, coefficients: Tensor) -> Tensor:
    """What a linear autoregression says comes after each series, (B, T, 1) → (B, 1)."""
    return _with_constant(series) @ coefficients


def _with_constant(series: Tensor) -> Tensor:
    return torch.cat([series.squeeze(2), torch.ones_like(series[:, :1, 0])], dim=1)
