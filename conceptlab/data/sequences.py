"""Sequences with exact answers: a sequence of symbols, to be written down again as it is, or from its end."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Data, Split, split_of


class Copy(Data):
    """Symbols at random; the target is the sequence itself. The same ones in every run.

    Source: Graves et al., *Neural Turing machines*, 2014, section 4.1.

    Args:
        length: symbols of a sequence.
        vocabulary: how many symbols there are.
        size: sequences to learn from.
        held_out: sequences to validate on, and as many to test.
        batch_size: sequences of a training batch, on each process.
        eval_batch_size: sequences of a batch where nothing is learned; it has no influence on the result.
        epoch_size: how many sequences make an epoch, drawn anew for each; None takes all.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
    """

    def __init__(
        self,
        *,
        length: int = 16,
        vocabulary: int = 16,
        size: int = 100_000,
        held_out: int = 1000,
        batch_size: int = 64,
        eval_batch_size: int = 500,
        epoch_size: int | None = 10_000,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            epoch_size=epoch_size,
            num_workers=num_workers,
            seed=seed,
        )
        self.length, self.vocabulary, self.size, self.held_out = length, vocabulary, size, held_out

    def require(self) -> None:
        """See that there is something to learn.

        Raises:
            Mistake: a length, a vocabulary or a size for which there is not.
        """
        for name, least in (("length", 1), ("vocabulary", 2), ("size", 1), ("held_out", 1)):
            value = getattr(self, name)
            if value < least:
                remedy = f"For instance data.{name}=16."
                expected = f"at least {least}"
                raise Mistake(message(f"data.{name}", expected=expected, received=str(value), remedy=remedy))

    def require_fit(self, model: Mapping[str, Any]) -> None:
        """See that a model has room for the symbols.

        Raises:
            Mistake: it has not.
        """
        given = model.get("vocabulary", self.vocabulary)
        if given < self.vocabulary:
            expected = f"at least {self.vocabulary}, that of the data"
            remedy = "Leave model.vocabulary as it is, and set data.vocabulary."
            raise Mistake(message("model.vocabulary", expected=expected, received=str(given), remedy=remedy))

    def load(self) -> dict[str, Split]:
        """The three splits."""
        sizes = {"train": self.size, "val": self.held_out, "test": self.held_out}
        generator = torch.Generator().manual_seed(0)
        sources = torch.randint(self.vocabulary, (sum(sizes.values()), self.length), generator=generator)
        parts = zip(sizes, sources.split(list(sizes.values())), strict=True)
        return {name: split_of(source, self.answer(source)) for name, source in parts}

    def example(self) -> tuple[Tensor, Tensor]:
        """Two sequences."""
        source = torch.randint(self.vocabulary, (2, self.length))
        return source, self.answer(source)

    def answer(self, source: Tensor) -> Tensor:
        """The target, (B, S) → (B, S)."""
        return source


class Reverse(Copy):
    """Symbols at random; the target is the sequence from its end to its beginning. Else as `Copy`."""

    def answer(self, source: Tensor) -> Tensor:
        return source.flip(1)
