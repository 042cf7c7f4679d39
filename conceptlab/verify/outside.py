"""Whole models of other packages, on handmade parts: ``python -m conceptlab.verify.outside`` writes docs/models.md.

Each is built from a small configuration with random weights: nothing is downloaded. Its copy is swapped, with the
functions that its forward calls, and the two are compared in evaluation and in a training step.
"""

import copy
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchvision
from rich.progress import track
from torch import Tensor, nn

from conceptlab.core import did_you_mean, message
from conceptlab.swapping import audit, swap
from conceptlab.verify.closeness import Mismatch, check_same

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
SEEDS = 3
EPS = torch.finfo(torch.float32).eps
CLASSES = 10
VOCABULARY = 99
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": VOCABULARY,
}
LLAMA = {**TEXT, "num_key_value_heads": 2}
GPT2 = {
    "bos_token_id": 0,
    "eos_token_id": 0,
    "n_embd": 32,
    "n_head": 4,
    "n_layer": 2,
    "n_positions": 64,
    "vocab_size": VOCABULARY,
}
VIT = {
    "hidden_size": 32,
    "image_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_labels": CLASSES,
    "patch_size": 8,
}
T5 = {
    "d_ff": 64,
    "d_kv": 8,
    "d_model": 32,
    "decoder_start_token_id": 0,
    "feed_forward_proj": "gated-gelu",
    "num_heads": 4,
    "num_layers": 2,
    "vocab_size": VOCABULARY,
}

INTRODUCTION = """\
# Models from outside

Models of other packages, built from small configurations, after `cl.swap(model, "handmade", functions=True)`. Written
by `python -m conceptlab.verify.outside`, with {versions}.

*Error ratio*: the error against float64, the root of the mean square, as a multiple of the error of torch's own parts;
the largest of all tensors, over {seeds} seeds. Up to 4 it counts as the same. *Layers*: how many were
swapped. *Leaks*: operations of torch's own that conceptlab has by hand and that still ran. *float64*: whether logits,
gradients and buffers are torch's within 1e-9.

**{right} of {count} are as torch's own.**

| model | of | layers | leaks | float64 | evaluation: logits | gradients | training: logits | gradients |
|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Model:
    """One of them: how it is built, and a batch of inputs, as its forward takes them."""

    name: str
    package: str
    build: Callable[[], nn.Module]
    batch: Callable[[torch.Generator], dict[str, Tensor] | tuple[Tensor, ...]]


def _images(size: int, count: int = 2) -> Callable[[torch.Generator], tuple[Tensor]]:
    return lambda generator: (torch.randn(count, 3, size, size, generator=generator),)


def _words(generator: torch.Generator) -> dict[str, Tensor]:
    return {"input_ids": torch.randint(1, VOCABULARY, (2, 12), generator=generator)}


def _padded(generator: torch.Generator) -> dict[str, Tensor]:
    mask = torch.ones(2, 12, dtype=torch.int64)
    mask[1, 8:] = 0
    return _words(generator) | {"attention_mask": mask}


def _two_texts(generator: torch.Generator) -> dict[str, Tensor]:
    return _words(generator) | {"decoder_input_ids": _words(generator)["input_ids"][:, :7]}


def _transformers(model: str, config: str, options: Mapping[str, Any]) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        package = importlib.import_module("transformers")
        return getattr(package, model)(getattr(package, config)(**options))

    return build


def _torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: importlib.import_module("timm").create_model(name, num_classes=CLASSES, **options)


MODELS = {
    model.name: model
    for model in (
        Model("BERT", "transformers", _transformers("BertForSequenceClassification", "BertConfig", TEXT), _padded),
        Model("GPT-2", "transformers", _transformers("GPT2LMHeadModel", "GPT2Config", GPT2), _words),
        Model("Llama", "transformers", _transformers("LlamaForCausalLM", "LlamaConfig", LLAMA), _words),
        Model("ViT", "transformers", _transformers("ViTForImageClassification", "ViTConfig", VIT), _images(32)),
        Model("T5", "transformers", _transformers("T5ForConditionalGeneration", "T5Config", T5), _two_texts),
        Model("vit_b_16", "torchvision", _torchvision("vit_b_16", image_size=32), _images(32)),
        Model("swin_t", "torchvision", _torchvision("swin_t"), _images(64)),
        Model("convnext_tiny", "torchvision", _torchvision("convnext_tiny"), _images(64)),
        Model("efficientnet_b0", "torchvision", _torchvision("efficientnet_b0"), _images(64)),
        Model("maxvit_t", "torchvision", _torchvision("maxvit_t", input_size=(224, 224)), _images(224, count=1)),
        Model("vit_tiny_patch16_224", "timm", _timm("vit_tiny_patch16_224", img_size=64), _images(64)),
        Model("mixer_s32_224", "timm", _timm("mixer_s32_224"), _images(224)),
        Model("convnextv2_atto", "timm", _timm("convnextv2_atto"), _images(64)),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What was found of one model. Ratios are of (logits, gradients), for evaluation and for training."""

    model: Model
    swapped: int
    leaks: tuple[str, ...]
    different: str
    ratios: tuple[tuple[float, float], ...]

    @property
    def right(self) -> bool:
        return not self.leaks and not self.different and max(max(pair) for pair in self.ratios) <= 4

    def row(self) -> str:
        """The line of the table."""
        ratios = [f"{ratio:.2f}" for pair in self.ratios for ratio in pair]
        cells = (f"`{self.model.name}`", self.model.package, self.swapped, len(self.leaks) or "none")
        return f"| {' | '.join(map(str, (*cells, self.different or 'same', *ratios)))} |"


def measure(model: Model, seeds: int = SEEDS) -> Outcome:
    """Build the model, swap a copy of it, and compare the two."""
    torch.manual_seed(0)
    builtin = model.build()
    for weight in builtin.parameters():
        if weight.dim() > 1 and not weight.any():
            nn.init.normal_(weight, std=0.02)  # a last layer of zeros would hide what stands before it
    handmade = copy.deepcopy(builtin)
    report = swap(handmade, "handmade", functions=True)
    inputs = model.batch(torch.Generator().manual_seed(0))
    leaks: set[str] = set()
    ratios, different = [], ""
    args: Any = () if isinstance(inputs, dict) else inputs
    kwargs: Any = inputs if isinstance(inputs, dict) else {}
    for training in (False, True):
        leaks.update(str(leak.name) for leak in audit(handmade.train(training), *args, **kwargs).leaks)
        oracle, in_double = (_Steps(network, model, torch.float64, training) for network in (builtin, handmade))
        theirs, ours = (_Steps(network, model, torch.float32, training) for network in (builtin, handmade))
        try:
            _check_double(in_double.run(0), oracle.run(0))
        except Mismatch as mismatch:
            different = str(mismatch)
        ratios.append(_error_ratios(ours, theirs, oracle, seeds))
    return Outcome(model, len(report.swapped), tuple(sorted(leaks)), different, tuple(ratios))


class _Steps:
    """A network in one precision, that starts from the same state each time."""

    def __init__(self, network: nn.Module, model: Model, dtype: torch.dtype, training: bool) -> None:
        self.network = copy.deepcopy(network).to(dtype).train(training)
        self.model, self.dtype = model, dtype
        self.start = {name: buffer.clone() for name, buffer in self.network.named_buffers()}

    def run(self, seed: int) -> list[Tensor]:
        """Logits, then gradients of all parameters that have one, then statistics."""
        self.network.load_state_dict(self.start, strict=False)
        generator = torch.Generator().manual_seed(seed)
        inputs = self.model.batch(generator)
        torch.manual_seed(seed)  # of dropout
        logits = self._logits(inputs)
        upstream = torch.randn(logits.shape, generator=generator).to(self.dtype)
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(logits, parameters, upstream, allow_unused=True)
        statistics = [buffer.clone() for buffer in self.network.buffers() if buffer.is_floating_point()]
        return [logits.detach(), *(g for g in gradients if g is not None), *statistics]

    def _logits(self, inputs: dict[str, Tensor] | tuple[Tensor, ...]) -> Tensor:
        if isinstance(inputs, dict):
            output = self.network(**inputs)
        else:
            output = self.network(*(x.to(self.dtype) for x in inputs))
        return output if isinstance(output, Tensor) else output.logits


def _check_double(ours: list[Tensor], theirs: list[Tensor]) -> None:
    # what has no effect has a gradient of rounding alone: a bias before a norm, or of the keys before a softmax
    noise = 1e-13 * max(tensor.abs().max().item() for tensor in theirs)
    check_same(ours, theirs, "logits, gradients and buffers", noise=noise, strides=False)


def _error_ratios(ours: _Steps, theirs: _Steps, oracle: _Steps, seeds: int) -> tuple[float, float]:
    """Of the logits, and the largest of all other tensors."""
    squares = torch.tensor([list(_squares(ours, theirs, oracle, seed)) for seed in range(seeds)], dtype=torch.float64)
    ours_rms, theirs_rms, oracle_rms = squares.sum(0).sqrt().T
    # at most 4 if and only if ours ≤ 4 · theirs + eps · oracle; that all have the same number of elements cancels
    ratios = torch.where(ours_rms == 0, 0, ours_rms / (theirs_rms + EPS / 4 * oracle_rms))
    return ratios[0].item(), ratios[1:].max().item()


def _squares(ours: _Steps, theirs: _Steps, oracle: _Steps, seed: int) -> Iterator[tuple[float, ...]]:
    for a, b, exact in zip(ours.run(seed), theirs.run(seed), oracle.run(seed), strict=True):
        yield tuple(x.square().sum().item() for x in (a.double() - exact, b.double() - exact, exact))


def page(outcomes: list[Outcome]) -> str:
    """The page of docs/models.md."""
    packages = ("torch", *sorted({outcome.model.package for outcome in outcomes}))
    versions = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in packages)
    right = sum(outcome.right for outcome in outcomes)
    head = INTRODUCTION.format(versions=versions, seeds=SEEDS, right=right, count=len(outcomes))
    return head + "".join(f"{outcome.row()}\n" for outcome in outcomes)


def main(names: list[str]) -> None:
    """Measure the models of these names, or all, and write the page if it was all.

    Raises:
        SystemExit: there is no such model.
    """
    if unknown := [name for name in names if name not in MODELS]:
        remedy = did_you_mean(unknown[0], MODELS)
        sys.exit(message("outside", expected="models that are known", received=unknown[0], remedy=remedy))
    outcomes = []
    for name in track(names or list(MODELS), description="models", transient=True):
        outcomes.append(measure(MODELS[name]))
        print(outcomes[-1].row(), *outcomes[-1].leaks[:3], flush=True)
    if not names:
        PAGE.write_text(page(outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
