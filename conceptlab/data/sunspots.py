"""A series of more than three centuries: how many spots the sun had in each year."""

import csv
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Data, Split, split_of

FIRST_VALIDATION, FIRST_TEST = 1901, 1946
"""The years with which validation and test begin; training has those before."""


class Sunspots(Data):
    r"""The yearly sunspot number from 1700 to 2008; the target of ``order`` years is the year after them.

    The numbers go to the model as $\sqrt{x}$, whose noise is about the same at high and at low activity, shifted and
    scaled to mean 0 and variance 1 over the years to learn from. Up to 1900 is to learn from, 1901 to 1945 to validate
    on, and 1946 to 2008 to test.

    After `setup`, ``times`` holds the years of each split's targets.

    Source: the yearly means of the National Geophysical Data Center (NOAA), in the public domain, as statsmodels and R
    have them.

    Args:
        order: the years that a forecast is made from.
        batch_size: forecasts of a training batch, on each process.
        eval_batch_size: forecasts of a batch where nothing is learned; it has no influence on the result.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
    """

    def __init__(
        self,
        *,
        order: int = 12,
        batch_size: int = 32,
        eval_batch_size: int = 500,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers, seed=seed)
        self.order = order
        self.times: dict[str, list[int]] = {}
        self.years, numbers = series()
        learned = numbers[self.years < FIRST_VALIDATION].sqrt()
        self.mean, self.scale = float(learned.mean()), float(learned.std())
        self.numbers = (numbers.sqrt() - self.mean) / self.scale

    def require(self) -> None:
        """See that there are years enough.

        Raises:
            Mistake: there are not.
        """
        most = FIRST_VALIDATION - int(self.years[0]) - 1
        if not 1 <= self.order <= most // 2:
            expected = f"from 1 to {most // 2} years, half of those to learn from"
            remedy = "Set another data.order."
            raise Mistake(message("data.order", expected=expected, received=str(self.order), remedy=remedy))

    def require_fit(self, model: Mapping[str, Any]) -> None:
        """See that a model is made for forecasts from so many years.

        Raises:
            Mistake: it is not.
        """
        given = model.get("order", self.order)
        if given != self.order:
            expected = f"{self.order}, that of the data"
            remedy = "Leave model.order as it is, and set data.order."
            raise Mistake(message("model.order", expected=expected, received=str(given), remedy=remedy))

    def load(self) -> dict[str, Split]:
        """The three splits; what is forecast lies within them, what it is made from may lie before."""
        inputs = self.numbers.unfold(0, self.order, 1)[:-1].unsqueeze(2)  # (N, T, 1)
        targets = self.numbers[self.order :].unsqueeze(1)  # (N, 1)
        year = self.years[self.order :]
        parts = {
            "train": year < FIRST_VALIDATION,
            "val": (year >= FIRST_VALIDATION) & (year < FIRST_TEST),
            "test": year >= FIRST_TEST,
        }
        self.times = {name: year[chosen].tolist() for name, chosen in parts.items()}
        return {name: split_of(inputs[chosen], targets[chosen]) for name, chosen in parts.items()}

    def example(self) -> tuple[Tensor, Tensor]:
        """Two series of noise."""
        return torch.randn(2, self.order, 1), torch.randn(2, 1)

    def original(self, values: Tensor) -> Tensor:
        """Sunspot numbers, for values as the model has them."""
        return (values * self.scale + self.mean).clamp(min=0).square()


def series() -> tuple[Tensor, Tensor]:
    """The years and their sunspot numbers.

    >>> years, numbers = series()
    >>> int(years[0]), float(numbers[0]), int(years[-1]), float(numbers.max())
    (1700, 5.0, 2008, 190.1999969482422)
    """
    text = files("conceptlab.data").joinpath("sunspots.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    return torch.tensor([int(row["year"]) for row in rows]), torch.tensor([float(row["sunspots"]) for row in rows])
