"""Paragraphs of the standard library's documentation, and the package that each belongs to."""

import ast
import functools
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.base import Data, Split, split_of

PACKAGES = ("asyncio", "email", "http", "importlib", "logging", "multiprocessing", "unittest", "urllib", "xml")
"""The classes: packages that every Python has."""

PADDING, UNKNOWN = 0, 1
"""The numbers that stand for no word, and for one that is not in the vocabulary."""

SHORTEST = 6
"""Paragraphs of fewer words say too little."""


class Docstrings(Data):
    """Some 3 000 paragraphs of docstrings, as the numbers of their words; the target is the package they stand in.

    They are read from the sources of the Python that runs, so another version has other ones. A tenth is to validate
    on, a fifth to test; the split is the same in every run, with all classes in the same proportions. The vocabulary
    is that of the paragraphs to learn from, and checkpoints hold it.

    Args:
        classes: the number of packages.
        length: so many words of a paragraph are read; shorter ones are filled up with `PADDING`.
        vocabulary: how many words there may be, the most frequent ones; the others count as one, the unknown.
        batch_size: paragraphs of a training batch, on each process.
        eval_batch_size: paragraphs of a batch where nothing is learned; it has no influence on the result.
        num_workers: processes that prepare batches; 0 prepares them in the main one.
        seed: the run's seed.
    """

    def __init__(
        self,
        *,
        classes: int = len(PACKAGES),
        length: int = 40,
        vocabulary: int = 2000,
        batch_size: int = 32,
        eval_batch_size: int = 500,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, num_workers=num_workers, seed=seed)
        self.classes, self.length, self.vocabulary = classes, length, vocabulary
        self.class_names: tuple[str, ...] = PACKAGES[:classes]
        self.words: list[str] = []

    def require(self) -> None:
        """See that the sources are there and that the settings can be used.

        Raises:
            Mistake: they are not, or cannot.
        """
        for name, least, most in (("classes", 2, len(PACKAGES)), ("length", 1, 10_000), ("vocabulary", 3, 1_000_000)):
            value = getattr(self, name)
            if not least <= value <= most:
                remedy = f"Set another data.{name}."
                expected = f"from {least} to {most}"
                raise Mistake(message(f"data.{name}", expected=expected, received=str(value), remedy=remedy))
        missing = [name for name in self.class_names if not _sources(name)]
        if missing:
            raise Mistake(
                message(
                    "data=docstrings",
                    expected=f"the sources of Python's standard library in {_library()}",
                    received=f"none of {', '.join(missing)}",
                    remedy="Use a Python that was installed with its sources.",
                )
            )

    def require_fit(self, model: Mapping[str, Any]) -> None:
        """See that a model has room for the vocabulary, the words of a paragraph, and the classes.

        Raises:
            Mistake: it has not.
        """
        for name in ("vocabulary", "length", "classes"):
            needed = getattr(self, name)
            given = model.get(name, needed)
            if given < needed:
                remedy = f"Leave model.{name} as it is, and set data.{name}."
                expected = f"at least {needed}, that of the data"
                raise Mistake(message(f"model.{name}", expected=expected, received=str(given), remedy=remedy))

    def load(self) -> dict[str, Split]:
        """The three splits."""
        found = [(words, number) for number, name in enumerate(self.class_names) for words in paragraphs(name)]
        # what stands in several packages belongs to none
        often = Counter(words for words, _ in found)
        texts, labels = zip(*(pair for pair in found if often[pair[0]] == 1), strict=True)
        rest, test = train_test_split(range(len(labels)), test_size=0.2, random_state=0, stratify=labels)
        of_rest = [labels[index] for index in rest]
        train, val = train_test_split(rest, test_size=0.125, random_state=0, stratify=of_rest)
        if not self.words:
            self.words = _frequent((texts[index] for index in train), self.vocabulary - 2)
        inputs, targets = self.encode(texts), torch.tensor(labels)
        return {
            name: split_of(inputs, targets, sorted(part))
            for name, part in {"train": train, "val": val, "test": test}.items()
        }

    def encode(self, paragraphs: Sequence[tuple[str, ...]]) -> Tensor:
        """The numbers of their words, (N, T)."""
        numbers = {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}
        encoded = torch.full((len(paragraphs), self.length), PADDING)
        for row, words in zip(encoded, paragraphs, strict=True):
            known = [numbers.get(word, UNKNOWN) for word in words[: self.length]]
            row[: len(known)] = torch.tensor(known)
        return encoded

    def example(self) -> tuple[Tensor, Tensor]:
        """Two paragraphs of words at random, the second one half as long."""
        words = torch.randint(UNKNOWN, self.vocabulary, (2, self.length))
        words[1, (self.length + 1) // 2 :] = PADDING
        return words, torch.zeros(2, dtype=torch.int64)

    def state_dict(self) -> dict[str, Any]:
        """The vocabulary, for the checkpoint."""
        return {"words": self.words}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the vocabulary of a checkpoint.

        Raises:
            Mistake: the paragraphs have been encoded already, with another vocabulary.
        """
        if self.splits and self.words != state_dict["words"]:
            expected = "a checkpoint with the vocabulary of this Python's documentation"
            remedy = "Go on with the Python, and the data.vocabulary, that the run was begun with."
            raise Mistake(message("ckpt_path", expected=expected, received="another vocabulary", remedy=remedy))
        self.words = state_dict["words"]


@functools.cache
def paragraphs(package: str) -> tuple[tuple[str, ...], ...]:
    """The paragraphs of a package's docstrings, each once, as words in small letters."""
    found: dict[tuple[str, ...], None] = {}
    for source in _sources(package):
        for docstring in _docstrings(ast.parse(source.read_bytes())):
            for paragraph in re.split(r"\n\s*\n", docstring):
                words = tuple(re.findall(r"[a-z]+", paragraph.lower()))
                if len(words) >= SHORTEST:
                    found[words] = None
    return tuple(found)


def _docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring


def _sources(package: str) -> list[Path]:
    return sorted((_library() / package).rglob("*.py"))


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _frequent(texts: Iterable[Sequence[str]], most: int) -> list[str]:
    count = Counter(word for words in texts for word in words)
    # words that come equally often are ordered by themselves, so that the vocabulary is the same everywhere
    return sorted(count, key=lambda word: (-count[word], word))[:most]
