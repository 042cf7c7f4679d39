r"""Convolution: one small weighted sum, slid over the whole image.

$$ y_{b,o,p} = \beta_o + \sum_{c} \sum_{k} w_{o,c,k}\; x_{b,\,c,\;s p + d k - q} $$

The output at place $p$ sees a window of the input. $k$ runs over the places of the kernel, the *taps*; $p$ and $k$ are
indices along one, two or three axes, and the formula holds on each of them. ``stride`` $s$ is the step from one window
to the next, ``dilation`` $d$ the distance of the taps, ``padding`` $q$ the number of zeros before and behind the
input. All windows share the same ``weight`` $w$ and ``bias`` $\beta$: that is the idea. ``groups`` $G$ makes bands of
channels, and an output channel sums over the input channels $c$ of its own band only ($G$ = channels: *depthwise*).

Strictly speaking this is a cross-correlation: a convolution would turn the kernel round.

The **transposed** convolution goes the other way, from a small image to a large one. The matrix of the convolution is
read by columns instead of rows: each element of the input leaves a copy of the kernel, times itself, in the window that
a convolution would have seen it through, and where windows overlap the copies add up:

$$ y_{b,o,i} = \beta_o + \sum_c \; \sum_{p,k:\; s p + d k - q = i} w_{c,o,k}\; x_{b,c,p} $$

So ``stride`` is the magnification, and ``padding`` cuts off. Its ``weight`` is that of the convolution backwards, input
channels first.

Shapes: ``input`` (B, C, \*size) or (C, \*size), ``weight`` (O, C / groups, \*kernel), ``bias`` (O); the result is
(B, O, \*out) or (O, \*out) with $\mathrm{out} = \lfloor (\mathrm{size} + 2 q - d (\mathrm{kernel} - 1) - 1) / s \rfloor
+ 1$. ``padding='valid'`` means none; ``'same'``, with stride 1, keeps the size (an odd zero goes behind). The layers'
``padding_mode`` pads with other values than zeros, see padding. Transposed: ``weight`` (C, O / groups, \*kernel), and
$\mathrm{out} = (\mathrm{size} - 1) s - 2 q + d (\mathrm{kernel} - 1) + 1 + \mathrm{output\_padding}$. With a stride a
convolution takes several sizes to one; ``output_padding``, or the layers' ``output_size``, says which to go back to.
Training and evaluation are the same. Under autocast
the sums run in the lower precision; half precision accumulates in float32.

Sources: Fukushima, *Neocognitron*, 1980; LeCun et al., *Gradient-based learning applied to document recognition*, 1998;
Zeiler et al., *Deconvolutional networks*, 2010; Dumoulin, Visin, *A guide to convolution arithmetic for deep learning*,
2016.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered


class _Drawn(Tiered):
    """What all six layers share: how the first weights are drawn."""

    def reset_parameters(self) -> None:
        # Drawn into a contiguous tensor, so that one seed gives the same weights in every memory format. The slope √5
        # makes Kaiming's bound 1/√fan_in.
        weight = torch.empty_like(self.weight, memory_format=torch.contiguous_format)
        with torch.no_grad():
            self.weight.copy_(self.ops.kaiming_uniform_(weight, a=math.sqrt(5)))
        if self.bias is not None:
            fan_in = weight.shape[1:].numel()
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            self.ops.uniform_(self.bias, -bound, bound)


class _Conv(_Drawn):
    """What the three layers share."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        conv = getattr(self.ops, f"conv{len(self.kernel_size)}d")
        if self.padding_mode == "zeros":
            return conv(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)
        padded = self.ops.pad(input, self._reversed_padding_repeated_twice, self.padding_mode)
        return conv(padded, weight, bias, self.stride, 0, self.dilation, self.groups)


class Conv1d(_Conv, torch.nn.Conv1d):
    """Windows of a sequence.

    >>> Conv1d(4, 8, 3, padding="same")(torch.ones(2, 4, 10)).shape
    torch.Size([2, 8, 10])
    """


class Conv2d(_Conv, torch.nn.Conv2d):
    """Windows of an image.

    >>> Conv2d(3, 8, 3, stride=2)(torch.ones(2, 3, 9, 9)).shape
    torch.Size([2, 8, 4, 4])
    """


class Conv3d(_Conv, torch.nn.Conv3d):
    """Windows of a volume.

    >>> Conv3d(1, 8, 3)(torch.ones(2, 1, 5, 5, 5)).shape
    torch.Size([2, 8, 3, 3, 3])
    """


class _ConvTranspose(_Drawn):
    """What the three transposed layers share."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        rank = len(self.kernel_size)
        more = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, rank, self.dilation
        )
        transposed = getattr(self.ops, f"conv_transpose{rank}d")
        return transposed(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)


class ConvTranspose1d(_ConvTranspose, torch.nn.ConvTranspose1d):
    """From a sequence to a longer one.

    >>> ConvTranspose1d(4, 8, 3, stride=2)(torch.ones(2, 4, 10)).shape
    torch.Size([2, 8, 21])
    """


class ConvTranspose2d(_ConvTranspose, torch.nn.ConvTranspose2d):
    """From an image to a larger one.

    >>> ConvTranspose2d(3, 8, 3, stride=2)(torch.ones(2, 3, 4, 4), output_size=[10, 10]).shape
    torch.Size([2, 8, 10, 10])
    """


class ConvTranspose3d(_ConvTranspose, torch.nn.ConvTranspose3d):
    """From a volume to a larger one.

    >>> ConvTranspose3d(1, 8, 2, stride=2)(torch.ones(2, 1, 5, 5, 5)).shape
    torch.Size([2, 8, 10, 10, 10])
    """


def _any_rank(
    conv3d: Callable,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """``torch.convolution`` means all three; a sequence or an image is a volume with axes of size 1.

    And it means the transposed ones, each of which is a convolution of what `_spread` makes of the input, with the
    kernel turned round, from output to input channels.
    """
    if transposed:
        axes = zip(weight.shape[2:], stride, padding, dilation, output_padding, strict=True)
        for axis, (k, s, p, d, more) in enumerate(axes, start=2):
            input = _spread(input, axis, s, d * (k - 1) - p, more)
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(tuple(range(2, weight.dim())))
        stride, padding = [1] * len(stride), [0] * len(padding)
    missing = 5 - weight.dim()
    at = (slice(None), slice(None), *[None] * missing)
    ones, zeros = [1] * missing, [0] * missing
    settings = [*ones, *stride], [*zeros, *padding], [*ones, *dilation]
    return conv3d(input[at], weight[at], bias, *settings, groups)[(..., *[0] * missing, *[slice(None)] * (3 - missing))]


def _spread(x: Tensor, axis: int, step: int, border: int, more: int) -> Tensor:
    """``x`` with zeros: between its elements, ``border`` on both sides (fewer than none: cut), and ``more`` behind."""
    n = x.shape[axis]
    places = range(-border, (n - 1) * step + 1 + border + more)
    sources = [place // step if place % step == 0 and 0 <= place < n * step else n for place in places]
    with_zero = torch.cat([x, torch.zeros_like(x.narrow(axis, 0, 1))], axis)
    return with_zero.index_select(axis, torch.tensor(sources, device=x.device))


CONCEPT = Concept(
    title="convolution",
    home=F,
    functions={
        "conv1d": Function(autocast="lower"),
        "conv2d": Function(autocast="lower"),
        "conv3d": Function(also={torch.convolution: _any_rank}, autocast="lower"),
        "conv_transpose1d": Function(autocast="lower"),
        "conv_transpose2d": Function(autocast="lower"),
        "conv_transpose3d": Function(autocast="lower"),
    },
    classes={
        Conv1d: ("conv1d", "pad", "kaiming_uniform_", "uniform_"),
        Conv2d: ("conv2d", "pad", "kaiming_uniform_", "uniform_"),
        Conv3d: ("conv3d", "pad", "kaiming_uniform_", "uniform_"),
        ConvTranspose1d: ("conv_transpose1d", "kaiming_uniform_", "uniform_"),
        ConvTranspose2d: ("conv_transpose2d", "kaiming_uniform_", "uniform_"),
        ConvTranspose3d: ("conv_transpose3d", "kaiming_uniform_", "uniform_"),
    },
)
