"""Convolution of sequences, images and volumes: arguments as torch takes and refuses them."""

from collections.abc import Sequence

from torch import Tensor

from conceptlab.concepts.convolution.handmade.arguments import Numbers, check_sizes, check_tensors, each_axis, refuse
from conceptlab.concepts.convolution.handmade.geometry import Geometry
from conceptlab.concepts.convolution.handmade.rules import Convolve
from conceptlab.core import declare

ops = declare("nn", "handmade")


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers | str = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    name: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Numbers,
    padding: Numbers | str,
    dilation: Numbers,
    groups: int,
) -> Tensor:
    check_tensors(name, rank, input, weight, bias)
    stride, dilation = each_axis(name, "stride", stride, rank), each_axis(name, "dilation", dilation, rank)
    if isinstance(padding, str):
        input, padding = _by_name(name, input, weight, stride, padding, dilation)
    geometry = Geometry(stride, each_axis(name, "padding", padding, rank), dilation, groups)
    batch = input if input.dim() == rank + 2 else input.unsqueeze(0)
    check_sizes(name, batch, weight, bias, geometry, weight.shape[1] * groups, weight.shape[0])
    _check_windows(name, batch, weight.shape[2:], geometry)
    output = Convolve.call(batch, weight, bias, *geometry.flat)
    return output if batch is input else output.squeeze(0)


def _by_name(
    name: str, input: Tensor, weight: Tensor, stride: tuple[int, ...], padding: str, dilation: tuple[int, ...]
) -> tuple[Tensor, tuple[int, ...]]:
    """The input and the padding in numbers that ``'same'`` and ``'valid'`` stand for."""
    if padding not in ("same", "valid"):
        refuse(f"{name}: Invalid padding string", "'same' or 'valid'", repr(padding), "Or give numbers.")
    if padding == "valid":
        return input, (0,) * len(stride)
    if any(s != 1 for s in stride):
        refuse(
            f"{name}: padding='same' is not supported for strided convolutions",
            "stride=1",
            f"stride={stride}",
            "Give the padding in numbers.",
        )
    total = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(n % 2 for n in total):
        # an odd number of zeros: the last one goes behind
        input = ops.pad(input, [entry for n in reversed(total) for entry in (0, n % 2)])
    return input, tuple(n // 2 for n in total)


def _check_windows(name: str, x: Tensor, kernel: Sequence[int], geometry: Geometry) -> None:
    if min(geometry.out(x.shape[2:], kernel)) < 1 or 0 in x.shape[2:]:
        refuse(
            f"{name}: Calculated padded input size per channel: "
            f"{[n + 2 * p for n, p in zip(x.shape[2:], geometry.padding, strict=True)]}. Kernel size: {list(kernel)}. "
            "Kernel size can't be greater than actual input size",
            "an input that is not empty and at least as large as the dilated kernel",
            f"size {list(x.shape[2:])}",
            "Add padding, or use a smaller kernel.",
        )
