r"""Looking words up, with its derivative.

Write the words of the input, whatever its axes, as $w_1, \dots, w_N$, and let $S$ be the selection matrix whose rows
are their one-hot vectors, $S_{nv} = 1$ where $v = w_n$ and 0 elsewhere. Looking up is the product

$$ y = S W, \qquad y_{nd} = \sum_v S_{nv} W_{vd} = W_{w_n d} $$

linear in $W$, so that forward mode is the same lookup, $\dot y = S \dot W$, and the backward pass its transpose. With
$g = \partial L / \partial y$,

$$ \frac{\partial L}{\partial W} = S^\top g, \qquad
   \frac{\partial L}{\partial W_{vd}} = \sum_n S_{nv}\, g_{nd} = \sum_{n :\, w_n = v} g_{nd} $$

row $v$ is the sum of the gradients of all places where $v$ stands, and zero where it stands nowhere: a scatter-add.
Three options change this gradient, though not the value, and so it is not the derivative any more. Row ``padding_idx``
is set to zero; with ``scale_grad_by_freq`` row $v$ is divided by the number $\sum_n S_{nv}$ of its places; and with
``sparse`` the sum stays undone, a list of the pairs $(w_n, g_n)$.

The scatter-add is linear in $g$, and transposed once more it is the lookup, with zeros for ``padding_idx``: that is the
second derivative. (torch's own leaves the division by frequency out of it, and so does this.)
"""

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack

from conceptlab.core import Rule, is_recorded, message, save, wide


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
        expected = f"a word from {-weight.shape[0]} to {weight.shape[0] - 1}"
        _refuse(AssertionError, "embedding: Padding_idx must be within num_embeddings", expected, padding_idx)
    if weight.dim() != 2:
        _refuse(RuntimeError, "embedding: 'weight' must be 2-D", "(V, D)", f"shape {tuple(weight.shape)}")
    if input.dtype not in (torch.int64, torch.int32):
        expected = "'indices' to have one of the following scalar types: Long, Int"
        _refuse(RuntimeError, "embedding", expected, input.dtype)
    if max_norm is not None:
        shorten(weight, input.reshape(-1), max_norm, norm_type)
    padding = None if padding_idx is None else padding_idx % weight.shape[0]
    return _Embedding.call(weight, input, padding, scale_grad_by_freq, sparse and can_be_sparse())


class _Embedding(Rule):
    """Of words (\\*) to rows (\\*, D)."""

    @staticmethod
    def forward(weight: Tensor, words: Tensor, padding: int | None, by_frequency: bool, sparse: bool) -> Tensor:
        # the result is no view, which the function that follows could not overwrite
        flat, shape = words.reshape(-1), (*words.shape, weight.shape[1])
        if is_recorded():
            return weight.index_select(0, flat).reshape(shape).clone()
        rows = weight.new_empty(shape)
        torch.index_select(weight, 0, flat, out=rows.view(len(flat), weight.shape[1]))
        return rows

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        weight, words, *ctx.options = inputs
        save(ctx, words)
        ctx.vocabulary = weight.shape[0]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (words,) = ctx.saved_tensors
        rows = grad_output.reshape(words.numel(), grad_output.shape[-1])
        return transposed(rows, words.reshape(-1), ctx.vocabulary, *ctx.options), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (words,) = ctx.saved_tensors
        return _Embedding.call(tangent, words, *ctx.options)


def transposed(
    rows: Tensor, words: Tensor, vocabulary: int, padding: int | None, by_frequency: bool, sparse: bool
) -> Tensor:
    """The gradient of the table (V, D) from those of the rows (N, D) that the words (N) have looked up."""
    if not sparse:
        add_up = _ScatterAdd.call if is_recorded() else _ScatterAdd.forward
        return add_up(rows, words, vocabulary, padding, by_frequency)
    if by_frequency:
        problem = "embedding_backward: scale_grad_by_freq not supported with sparse gradients"
        _refuse(RuntimeError, problem, "one of the two", "both")
    if padding is not None:
        counts = words != padding
        words, rows = words[counts], rows[counts]
    # known to be right: these words have been looked up
    size = (vocabulary, rows.shape[1])
    return torch.sparse_coo_tensor(words.unsqueeze(0), rows, size, check_invariants=False)


class _ScatterAdd(Rule):
    @staticmethod
    def forward(rows: Tensor, words: Tensor, vocabulary: int, padding: int | None, by_frequency: bool) -> Tensor:
        summands = wide(rows)
        if by_frequency:
            frequency = words.new_zeros(vocabulary).index_add(0, words, torch.ones_like(words))
            summands = summands / frequency.index_select(0, words).unsqueeze(1)
        table = summands.new_zeros(vocabulary, rows.shape[1])
        # written in place where it may be, else a large table is copied
        add = table.index_add if is_recorded() else table.index_add_
        table = add(0, words, summands)
        if padding is not None:
            table.select(0, padding).zero_()
        return table.to(rows.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        _, words, *ctx.options = inputs
        save(ctx, words)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (words,) = ctx.saved_tensors
        padding = ctx.options[1]
        rows = _Embedding.call(grad_output, words, None, False, False)
        if padding is not None:
            rows = rows.masked_fill((words == padding).unsqueeze(1), 0)
        return rows, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> Tensor:
        (words,) = ctx.saved_tensors
        return _ScatterAdd.call(tangent, words, *ctx.options)


def shorten(weight: Tensor, words: Tensor, max_norm: float, norm_type: float) -> None:
    """Give the rows of ``words`` (N) the norm ``max_norm`` where theirs is larger: in place, and no derivative sees it.

    A word that comes twice is written twice, with the same numbers.
    """
    table = weight.detach()
    rows = wide(table.index_select(0, words))
    norms = torch.linalg.vector_norm(rows, norm_type, dim=1, keepdim=True)
    # a little shorter, as torch has it
    factors = torch.where(norms > max_norm, max_norm / (norms + 1e-7), 1)
    table[words] = (rows * factors).to(table.dtype)


def can_be_sparse() -> bool:
    """Whether a gradient may be: not in forward mode, because a sparse tensor carries no tangent."""
    # a compiler cannot follow the question, nor a sparse gradient
    return torch.compiler.is_compiling() or not any(
        interpreter.key() == TransformType.Jvp for interpreter in get_interpreter_stack() or ()
    )


def _refuse(error: type[Exception], problem: str, expected: str, received: object) -> None:
    remedy = "conceptlab's page of embedding tells shapes and dtypes."
    raise error(message(problem, expected=expected, received=str(received), remedy=remedy))
