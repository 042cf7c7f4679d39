"""Text, for models that predict the next token."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Data, Split
from conceptlab.data.tokens import KINDS, Kind, Tokenizer, tokenizer_from


class Text(Data):
    """A text, cut into windows of ``context`` tokens; the target of each token is the one after it.

    Nine tenths of the text, from its beginning, are to learn from, the first half of the rest to validate on, the
    second to test. A training window may begin anywhere; the others lie one beside the next. The vocabulary is that
    of the training part, and checkpoints hold it.

    Args:
        file: any text file in UTF-8; None is Python's language reference, which every CPython has.
        context: the tokens of a window.
        tokenizer: what is a token: one of the ``characters``, or ``byte_pairs``, with the ``tokenizers`` library.
        vocabulary: how many tokens there may be; the rarest characters beyond it count as one, the unknown.
        batch_size: windows of a training batch, on each process.
        eval_batch_size: windows of a batch where nothing is learned; it has no influence on the result.
        epoch_size: how many windows make an epoch, drawn anew for each; None takes all, one for each token.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
    """

    def __init__(
        self,
        *,
        context: int,
        file: str | None = None,
        tokenizer: Kind = "characters",
        vocabulary: int = 128,
        batch_size: int = 12,
        eval_batch_size: int = 100,
        epoch_size: int | None = 2400,
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
        self.file = None if file is None else Path(file)
        self.context, self.kind, self.vocabulary = context, tokenizer, vocabulary
        self._tokenizer: Tokenizer | None = None
        self._tokens: dict[str, Tensor] = {}

    @property
    def tokenizer(self) -> Tokenizer:
        """That of the training part, or of the checkpoint whose state was loaded."""
        if self._tokenizer is None:
            self._tokenizer = KINDS[self.kind].of(self._parts()["train"], self.vocabulary)
        return self._tokenizer

    def require(self) -> None:
        """See that the text is there, is text, and is long enough.

        Raises:
            Mistake: it is not, or byte pairs cannot be made.
        """
        if self.context < 1 or self.vocabulary < 2:
            name, least = ("context", 1) if self.context < 1 else ("vocabulary", 2)
            remedy = f"For instance data.{name}=64."
            value = str(getattr(self, name))
            raise Mistake(message(f"data.{name}", expected=f"at least {least}", received=value, remedy=remedy))
        for name, tokens in self.tokens().items():
            if len(tokens) <= self.context:
                raise Mistake(
                    message(
                        f"data.context={self.context}",
                        expected=f"a text of which each part has more than {self.context} tokens",
                        received=f"{len(tokens)} in the part for '{name}' of {self._where()}",
                        remedy=f"Shorten the context, at most data.context={max(len(tokens) - 1, 0)}, or take a "
                        f"longer text.",
                    )
                )

    def require_fit(self, model: Mapping[str, Any]) -> None:
        """See that a model has room for the vocabulary and the context.

        Raises:
            Mistake: it has not.
        """
        for name, needed in (("vocabulary", self.vocabulary), ("context", self.context)):
            given = model.get(name, needed)
            if given < needed:
                remedy = f"Leave model.{name} as it is, and set data.{name}."
                expected = f"at least {needed}, that of the data"
                raise Mistake(message(f"model.{name}", expected=expected, received=str(given), remedy=remedy))

    def tokens(self) -> dict[str, Tensor]:
        """The tokens of each part."""
        if not self._tokens:
            encode = self.tokenizer.encode
            self._tokens = {name: torch.tensor(encode(text)) for name, text in self._parts().items()}
        return self._tokens

    def load(self) -> dict[str, Split]:
        """The three splits."""
        return {
            name: self._windows(part, 1 if name == "train" else self.context) for name, part in self.tokens().items()
        }

    def example(self) -> tuple[Tensor, Tensor]:
        """Two windows of tokens at random."""
        windows = torch.randint(self.vocabulary, (2, self.context + 1))
        return windows[:, :-1], windows[:, 1:]

    def state_dict(self) -> dict[str, Any]:
        """The vocabulary, for the checkpoint."""
        return {"tokenizer": self.tokenizer.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the vocabulary of a checkpoint.

        Raises:
            Mistake: the text has been cut into tokens already, with another vocabulary.
        """
        if self._tokenizer is not None and self._tokenizer.state() != state_dict["tokenizer"]:
            raise Mistake(
                message(
                    "ckpt_path",
                    expected=f"a checkpoint with the vocabulary of {self._where()}",
                    received="another vocabulary",
                    remedy="Go on with the text that the model was trained on, and with the same data.tokenizer.",
                )
            )
        self._tokenizer = tokenizer_from(state_dict["tokenizer"])

    def _windows(self, tokens: Tensor, step: int) -> Split:
        windows = tokens.unfold(0, self.context + 1, step)  # (N, T + 1), a view
        return windows[:, :-1].__getitem__, windows[:, 1:]

    def _parts(self) -> dict[str, str]:
        """The text of each part."""
        text = self._read()
        train, val = len(text) * 9 // 10, len(text) * 19 // 20
        return {"train": text[:train], "val": text[train:val], "test": text[val:]}

    def _read(self) -> str:
        if self.file is None:
            return language_reference()
        expected = "a text file in UTF-8 that is not empty"
        remedy = "Say which one with data.file=FILE; data.file=null is Python's language reference."
        where = f"data.file={self.file}"
        try:
            text = self.file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            received = f"byte {error.object[error.start]:#04x} at position {error.start}, which is not UTF-8"
            raise Mistake(message(where, expected=expected, received=received, remedy=remedy)) from error
        except OSError as error:
            received = "none" if isinstance(error, FileNotFoundError) else f"none that can be read: {error.strerror}"
            raise Mistake(message(where, expected=expected, received=received, remedy=remedy)) from error
        if not text:
            raise Mistake(message(where, expected=expected, received="an empty one", remedy=remedy))
        return text

    def _where(self) -> str:
        return "Python's language reference" if self.file is None else str(self.file)


def language_reference() -> str:
    """Those parts of Python's language reference that ``help()`` shows, about 465 000 characters."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))
