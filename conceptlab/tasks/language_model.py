"""Language models: which token comes next."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from conceptlab.configuration.mistake import Mistake
from conceptlab.core import message
from conceptlab.data.order import derived_seed
from conceptlab.tasks.exhibits import Exhibit, Text
from conceptlab.tasks.task import Batch, Task


class LanguageModel(Task):
    """Learns to predict each next token of a text, and writes some text at every validation.

    The model turns tokens (B, T) into logits (B, T, V) and has `generate`, as `conceptlab.models.GPT` has; the targets
    are the tokens after them, (B, T). The loss is in nats a token.

    Args:
        model: the network, as a configuration with a ``_target_``.
        loss: of the logits and the next tokens.
        optimizer: built of the parameters.
        scheduler: built of the optimizer, called once an epoch; None leaves the learning rate alone.
        parts: which implementation each part uses.
        seed: of the first weights, and of what is random in training.
        prompt: what the samples begin with.
        length: how many tokens a sample adds.
        temperature: below 1 the likely becomes likelier, at 0 the likeliest is taken.
        top_k: only so many of the likeliest are drawn from; None leaves all.

    Raises:
        Mistake: no text can be written with these settings.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        loss: Mapping[str, Any],
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None = None,
        parts: str | Mapping[str, Any] = "builtin",
        seed: int = 0,
        prompt: str = "\n",
        length: int = 300,
        temperature: float = 0.8,
        top_k: int | None = None,
    ) -> None:
        _require("prompt", bool(prompt), "at least one character", prompt)
        _require("length", length >= 0, "a number of tokens", length)
        _require("temperature", temperature >= 0, "0 or more", temperature)
        _require("top_k", top_k is None or top_k > 0, "at least 1, or null for all", top_k)
        super().__init__(model, loss, optimizer, scheduler, parts, seed)

    @staticmethod
    def judged(answers: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """All tokens of all windows as one batch, (B·T, V) and (B·T)."""
        return answers.flatten(0, 1), batch[1].flatten()

    def sample(self, tokenizer: Any, seed: int = 0) -> str:
        """Some text, which begins with the prompt; the same for the same weights and the same ``seed``."""
        s = self.settings
        generator = torch.Generator(self.device).manual_seed(seed)
        prompt = torch.tensor([tokenizer.encode(s.prompt)], device=self.device)
        tokens = self.model.generate(prompt, s.length, s.temperature, s.top_k, generator)
        return tokenizer.decode(tokens[0].tolist())

    def exhibits(self, stage: Literal["val", "test"]) -> Iterable[Exhibit]:
        """A sample of text."""
        if stage == "val":
            trainer: Any = self.trainer
            text = self.sample(trainer.datamodule.tokenizer, derived_seed(self.settings.seed, self.global_step))
            yield Text(f"sample_after_{self.global_step:06d}_steps", text)


def _require(name: str, holds: bool, expected: str, received: Any) -> None:
    if not holds:
        raise Mistake(
            message(f"task.{name}", expected=expected, received=repr(received), remedy=f"Set another task.{name}.")
        )
