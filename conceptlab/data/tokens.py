"""From text to numbers and back: by characters, or by pairs of bytes that come often."""

import importlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message

Kind = Literal["characters", "byte_pairs"]

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What stands for characters that are not in the vocabulary."""


class Tokenizer(ABC):
    """What turns a text into a list of token numbers, and back.

    `state` is all of it as plain strings, which `tokenizer_from` turns into the same tokenizer again.
    """

    kind: ClassVar[Kind]

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """The tokenizer as plain values."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The numbers of a text's tokens."""

    @abstractmethod
    def decode(self, tokens: Iterable[int]) -> str:
        """The text of some tokens."""

    @abstractmethod
    def __len__(self) -> int:
        """How many tokens there are."""


class Characters(Tokenizer):
    """A token for each character; number 0 stands for all that are not in the vocabulary.

    >>> tokenizer = Characters("abc")
    >>> tokenizer.encode("cab!"), tokenizer.decode([3, 1, 2, 0])
    ([3, 1, 2, 0], 'cab�')

    Args:
        known: the characters, each once.
    """

    kind = "characters"

    def __init__(self, known: str) -> None:
        self.known = known
        self.numbers = {character: number for number, character in enumerate(known, start=1)}

    @classmethod
    def of(cls, text: str, vocabulary: int) -> "Characters":
        """That of a text; where it has more than ``vocabulary`` − 1 characters, the rarest are left unknown."""
        count = Counter(text)
        # by their number and not by when they come first, so that the order says nothing of the text
        frequent = sorted(count, key=lambda character: (-count[character], character))[: vocabulary - 1]
        return cls("".join(sorted(frequent)))

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "known": self.known}

    def encode(self, text: str) -> list[int]:
        return [self.numbers.get(character, 0) for character in text]

    def decode(self, tokens: Iterable[int]) -> str:
        known = UNKNOWN + self.known
        # a model may have room for more tokens than there are
        return "".join(known[token] if token < len(known) else UNKNOWN for token in tokens)

    def __len__(self) -> int:
        return 1 + len(self.known)


class BytePairs(Tokenizer):
    """Byte-pair encoding: first a token for each byte, then, again and again, one for the pair of neighbours that
    comes most often. Every text can be written in them. It is the ``tokenizers`` library that does it.

    Source: Sennrich et al., *Neural machine translation of rare words with subword units*, 2016.

    Args:
        definition: the tokenizer in the library's own JSON.
    """

    kind = "byte_pairs"

    def __init__(self, definition: str) -> None:
        self.definition = definition
        self.tokenizer = _library().Tokenizer.from_str(definition)

    @classmethod
    def of(cls, text: str, vocabulary: int) -> "BytePairs":
        """That of a text.

        Raises:
            Mistake: the vocabulary is too small for the single bytes, or the library is not there.
        """
        library = _library()
        bytes_alone = library.pre_tokenizers.ByteLevel.alphabet()
        if vocabulary < len(bytes_alone):
            expected = f"at least {len(bytes_alone)} byte pairs, a token for each byte"
            remedy = "Set data.vocabulary=512, for instance."
            raise Mistake(message("data.vocabulary", expected=expected, received=str(vocabulary), remedy=remedy))
        made = library.Tokenizer(library.models.BPE())
        made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary, initial_alphabet=sorted(bytes_alone), show_progress=False
        )
        made.train_from_iterator(text.splitlines(keepends=True), trainer)
        return cls(made.to_str())

    def state(self) -> dict[str, Any]:
        return {"kind": self.kind, "definition": self.definition}

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids

    def decode(self, tokens: Iterable[int]) -> str:
        return self.tokenizer.decode(list(tokens))

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()


KINDS: Mapping[Kind, type[Characters] | type[BytePairs]] = {"characters": Characters, "byte_pairs": BytePairs}


def tokenizer_from(state: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer whose `Tokenizer.state` this is, as a checkpoint holds it.

    >>> tokenizer_from(Characters("abc").state()).decode([1, 2])
    'ab'
    """
    arguments = {key: value for key, value in state.items() if key != "kind"}
    return KINDS[state["kind"]](**arguments)


def _library() -> Any:
    try:
        return importlib.import_module("tokenizers")
    except ModuleNotFoundError as error:
        remedy = "Install it: pip install conceptlab[text]; or use data.tokenizer=characters."
        raise Mistake(
            message("data.tokenizer=byte_pairs", expected="the package tokenizers", received="none", remedy=remedy)
        ) from error
