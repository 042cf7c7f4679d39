r"""Convolution: one small weighted sum, slid over the whole image.

$$ y_{b,o,p} = \beta_o + \sum_{c} \sum_{k} w_{o,c,k}\; x_{b,\,c,\;s p + d k - q} $$

The output at place $p$ sees a window of the input. $k$ runs over the places of the kernel, the *taps*; $p$ and $k$ are
indices along one, two or three axes, and the formula holds on each of them. ``stride`` $s$ is the step from one window
to the next, ``dilation`` $d$ the distance of the taps, ``padding`` $q$ the number of zeros before and behind the
input. All windows share the same ``weight`` $w$ and ``bias`` $\beta$: that is the idea. ``groups`` $G$ makes bands of
channels, and an output channel sums over the input channels $c$ of its own band only ($G$ = channels: *depthwise*).

Strictly speaking this is a cross-correlation: a convolution would turn the kernel round.

Shapes: ``input`` (B, C, \*size) or (C, \*size), ``weight`` (O, C / groups, \*kernel), ``bias`` (O); the result is
(B, O, \*out) or (O, \*out) with $\mathrm{out} = \lfloor (\mathrm{size} + 2 q - d (\mathrm{kernel} - 1) - 1) / s \rfloor
+ 1$. ``padding='valid'`` means none; ``'same'``, with stride 1, keeps the size (an odd zero goes behind). The layers'
``padding_mode`` pads with other values than zeros, see padding. Training and evaluation are the same. Under autocast
the sums run in the lower precision; half precision accumulates in float32.

Sources: Fukushima, *Neocognitron*, 1980; LeCun et al., *Gradient-based learning applied to document recognition*, 1998;
Dumoulin, Visin, *A guide to convolution arithmetic for deep learning*, 2016.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered, message


class _Conv(Tiered):
    """What the three layers share."""

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
    """``torch.convolution`` means all three; a sequence or an image is a volume with axes of size 1."""
    if transposed:
        raise NotImplementedError(
            message(
                "torch.convolution",
                expected="transposed=False",
                received="transposed=True",
                remedy="Call torch's own outside of `use`.",
            )
        )
    missing = 5 - weight.dim()
    at = (slice(None), slice(None), *[None] * missing)
    ones, zeros = [1] * missing, [0] * missing
    settings = [*ones, *stride], [*zeros, *padding], [*ones, *dilation]
    return conv3d(input[at], weight[at], bias, *settings, groups)[(..., *[0] * missing, *[slice(None)] * (3 - missing))]


CONCEPT = Concept(
    title="convolution",
    home=F,
    functions={
        "conv1d": Function(autocast="lower"),
        "conv2d": Function(autocast="lower"),
        "conv3d": Function(also={torch.convolution: _any_rank}, autocast="lower"),
    },
    classes={
        Conv1d: ("conv1d", "pad", "kaiming_uniform_", "uniform_"),
        Conv2d: ("conv2d", "pad", "kaiming_uniform_", "uniform_"),
        Conv3d: ("conv3d", "pad", "kaiming_uniform_", "uniform_"),
    },
)
