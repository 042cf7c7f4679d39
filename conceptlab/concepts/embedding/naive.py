"""Embeddings as on the blackboard: word by word, bag by bag.

``padding_idx``, ``scale_grad_by_freq`` and ``sparse`` say what the gradient of the table is to be, whatever the
derivative: the lookup writes it down itself, and autograd does the rest.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from conceptlab.core import Rule, save


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    if padding_idx is not None and not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise AssertionError(f"Padding_idx must be within num_embeddings, received {padding_idx}.")
    if weight.dim() != 2:
        raise RuntimeError(f"'weight' must be 2-D, received {weight.dim()} axes.")
    if input.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(f"Expected indices to have one of the scalar types Long, Int, received {input.dtype}.")
    if any(not 0 <= word < len(weight) for word in input.flatten().tolist()):
        raise IndexError(f"index out of range in self: expected words from 0 to {len(weight) - 1}.")
    if max_norm is not None:
        _shorten(weight, set(input.flatten().tolist()), max_norm, norm_type)
    padding = None if padding_idx is None else padding_idx % len(weight)
    return _Lookup.call(weight, input.flatten(), padding, scale_grad_by_freq, sparse).reshape(
        *input.shape, weight.shape[1]
    )


class _Lookup(Rule):
    @staticmethod
    def forward(weight: Tensor, words: Tensor, padding: int | None, by_frequency: bool, sparse: bool) -> Tensor:
        return torch.stack([weight[word] for word in words.tolist()]) if len(words) else weight[:0].clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        weight, words, ctx.padding, ctx.by_frequency, ctx.sparse = inputs
        save(ctx, words)
        ctx.shape = weight.shape

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (words,) = ctx.saved_tensors
        places = [(word, g) for word, g in zip(words.tolist(), grad_output, strict=True) if word != ctx.padding]
        rows = list(grad_output.new_zeros(ctx.shape))
        for word, g in places:
            rows[word] = rows[word] + (g / words.tolist().count(word) if ctx.by_frequency else g)
        table = torch.stack(rows) if rows else grad_output.new_zeros(ctx.shape)
        if ctx.sparse:
            if ctx.by_frequency:
                raise RuntimeError("embedding_backward: scale_grad_by_freq not supported with sparse gradients.")
            present = torch.tensor([sorted({word for word, _ in places})], dtype=torch.int64)
            table = torch.sparse_coo_tensor(present, table[present[0]], ctx.shape, check_invariants=False)
        return table, None, None, None, None


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    if weight.dtype is torch.int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=3,
        )
        weight, input = input, weight
    if input.dim() == 2:
        begins = list(range(0, input.numel(), input.shape[1]))
    elif offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None.")
    else:
        begins = offsets.tolist()
    ends = begins[1:] if include_last_offset and input.dim() == 1 else [*begins[1:], input.numel()]
    words = input.flatten()
    rows = embedding(words.long(), weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"per_sample_weights is only supported for mode='sum', received {mode!r}.")
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1, 1)
    padding = None if padding_idx is None else padding_idx % len(weight)
    counted = [word != padding for word in words.tolist()]
    bags = []
    for begin, end in zip(begins, ends, strict=False):
        members = [n for n in range(begin, end) if counted[n]]
        bag = rows[members]
        bags.append(_reduced(bag if factors is None else bag * factors[members], mode))
    return torch.stack(bags) if bags else rows[:0]


def _reduced(rows: Tensor, mode: str) -> Tensor:
    if mode == "sum" or len(rows) == 0:
        return rows.sum(0)
    if mode == "mean":
        return rows.sum(0) / len(rows)
    if mode != "max":
        raise ValueError(f"mode has to be one of sum, mean or max, received {mode!r}.")
    largest = rows[0]
    for row in rows[1:]:
        largest = torch.where(row > largest, row, largest)
    return largest


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    if tensor.dtype is not torch.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, received {tensor.dtype}.")
    classes = tensor.flatten().tolist()
    if not classes and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if any(c < 0 for c in classes):
        raise RuntimeError("Class values must be non-negative.")
    C = max(classes) + 1 if num_classes == -1 else num_classes
    if any(c >= C for c in classes):
        raise RuntimeError(f"Class values must be smaller than num_classes, which is {C}.")
    return torch.tensor([[int(c == k) for k in range(C)] for c in classes]).long().reshape(*tensor.shape, C)


def _shorten(weight: Tensor, words: set[int], max_norm: float, norm_type: float) -> None:
    with torch.no_grad():
        for word in words:
            norm = torch.linalg.vector_norm(weight[word], norm_type)
            weight[word] *= torch.where(norm > max_norm, max_norm / (norm + 1e-7), 1)
