"""Transposed convolution of sequences, images and volumes: arguments as torch takes and refuses them."""

from torch import Tensor

from conceptlab.concepts.convolution.handmade.arguments import Numbers, check_sizes, check_tensors, each_axis, refuse
from conceptlab.concepts.convolution.handmade.geometry import Geometry
from conceptlab.concepts.convolution.handmade.rules import InputGradient
from conceptlab.core import declare, message

ops = declare("nn", "handmade")


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers,
    output_padding: Numbers,
    groups: int,
    dilation: Numbers,
) -> Tensor:
    check_tensors(name, rank, input, weight, bias)
    if isinstance(padding, str):
        remedy = f"It has a meaning for conv{rank}d."
        raise TypeError(message(name, expected="argument 'padding' of ints", received=repr(padding), remedy=remedy))
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding}
    *numbers, more = (each_axis(name, what, value, rank) for what, value in settings.items())
    geometry = Geometry(numbers[0], numbers[1], numbers[2], groups)
    batch = input if input.dim() == rank + 2 else input.unsqueeze(0)
    check_sizes(name, batch, weight, bias, geometry, weight.shape[0], weight.shape[1] * groups)
    size = _size(name, batch, weight, geometry, more)
    # as much as a stride at the end is what one more element of the input would make: a zero
    beyond = [m // s for m, s in zip(more, geometry.stride, strict=True)]
    if any(beyond):
        batch = ops.pad(batch, [entry for n in reversed(beyond) for entry in (0, n)])
    output = InputGradient.call(batch, weight, bias, *size, *geometry.flat)
    return output if input.dim() == rank + 2 else output.squeeze(0)


def _size(name: str, x: Tensor, weight: Tensor, geometry: Geometry, more: tuple[int, ...]) -> list[int]:
    """The size of the result."""
    if min(more) < 0:
        refuse(f"{name}: negative output_padding is not supported", "at least 0", str(more), "Choose larger numbers.")
    largest = [max(s, d) for s, d in zip(geometry.stride, geometry.dilation, strict=True)]
    if any(m >= n for m, n in zip(more, largest, strict=True)):
        refuse(
            f"{name}: output padding must be smaller than either stride or dilation",
            f"output_padding below {tuple(largest)}",
            str(more),
            "It only tells apart the sizes that a convolution of that stride would take to the size of the input.",
        )
    axes = zip(x.shape[2:], weight.shape[2:], geometry.stride, geometry.padding, geometry.dilation, more, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, k, s, p, d, m in axes]
    if min(size) < 1 or 0 in (*x.shape[1:], *weight.shape[1:]):
        refuse(
            f"{name}: Given input size per channel: {list(x.shape[2:])}. Calculated output size per channel: {size}. "
            "Output size is too small",
            "an input and a weight that are not empty, and less padding than there is to cut off",
            f"weight {list(weight.shape)}, padding {geometry.padding}",
            "Reduce the padding, or give a larger input.",
        )
    return size
