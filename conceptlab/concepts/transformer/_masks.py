"""What layers and stacks ask of sequences and masks."""

import math

import torch
from torch import Tensor, nn

from conceptlab.core import message


def refuse_nested(layer: nn.Module, *sequences: Tensor) -> None:
    """Sequences of different lengths in one tensor, for which torch has its fused path alone.

    Raises:
        NotImplementedError: one of them is a nested tensor.
    """
    if any(x.is_nested for x in sequences):
        raise NotImplementedError(
            message(
                f"{type(layer).__name__} by hand, which has no fast path",
                expected="padded tensors",
                received="a NestedTensor",
                remedy="Use to_padded_tensor(0.0), and hide the padding by a key_padding_mask.",
            )
        )


def is_causal_mask(mask: Tensor | None, hint: bool | None, sequence: Tensor, batch_first: bool) -> bool:
    """Whether ``mask`` hides exactly what lies ahead in ``sequence``; where there is a ``hint``, that."""
    if hint is not None or mask is None:
        return bool(hint)
    length = sequence.shape[1 if batch_first and sequence.dim() == 3 else 0]
    # compiled code cannot wait for the answer, and does without: it is only about speed
    is_fit = mask.shape == (length, length) and (mask.dtype is torch.bool or mask.is_floating_point())
    if not is_fit or torch.compiler.is_compiling():
        return False
    ahead = torch.ones_like(mask, dtype=torch.bool).triu(1)
    causal = ahead if mask.dtype is torch.bool else torch.zeros_like(mask).masked_fill(ahead, -math.inf)
    return bool((mask == causal).all())
