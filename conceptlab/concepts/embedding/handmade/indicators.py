"""One-hot vectors: zeros, and a 1 put at the place of each class. They are whole numbers, and have no derivative."""

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level

from conceptlab.core import message


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    if tensor.dtype is not torch.int64:
        _refuse("one_hot is only applicable to index tensor of type LongTensor", "int64", tensor.dtype)
    is_transformed, is_to_infer = maybe_current_level() is not None, num_classes == -1
    if is_to_infer and is_transformed:
        _refuse("one_hot in vmap", "an explicit positive num_classes argument", num_classes)
    if is_to_infer and tensor.numel() == 0:
        _refuse("Can not infer total number of classes from empty tensor", "a positive num_classes", num_classes)
    if num_classes <= 0 and not is_to_infer:
        _refuse("Class values must be smaller than num_classes", "a positive num_classes", num_classes)
    # vmap has no rule for the assertion; the values are looked at where they are, on the device
    if tensor.numel() and not is_transformed:
        torch._assert_async(tensor.amin() >= 0, "one_hot: Class values must be non-negative.")
        if is_to_infer:
            num_classes = _length(tensor.amax() + 1)
        else:
            torch._assert_async(tensor.amax() < num_classes, "one_hot: Class values must be smaller than num_classes.")
    zeros = tensor.new_zeros((*tensor.shape, num_classes))
    return zeros.scatter(-1, tensor.unsqueeze(-1), 1)


def _length(number: Tensor) -> int:
    """A number on the device as the length of a tensor, for which the host waits."""
    return len(torch.repeat_interleave(number.reshape(1)))


def _refuse(problem: str, expected: str, received: object) -> None:
    remedy = "conceptlab's page of embedding tells shapes and dtypes."
    raise RuntimeError(message(problem, expected=expected, received=str(received), remedy=remedy))
