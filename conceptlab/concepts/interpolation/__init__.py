r"""Interpolation: the same image on another grid of pixels.

Along an axis of $n$ old pixels and $m$ new ones, new pixel $o$ looks at a place $u_o$ between the old ones, and its
value is that of the nearest one or a mean of the two at its sides,

$$ \text{nearest:}\quad y_o = x_{\lfloor u_o \rfloor} \qquad\qquad
   \text{linear:}\quad y_o = (1 - \lambda)\, x_i + \lambda\, x_{i+1}, \quad
   i = \lfloor u_o \rfloor,\ \lambda = u_o - i $$

An image has two axes, a volume three; each is treated by itself, one after the other, which makes linear ``bilinear``
and ``trilinear``. ``bicubic`` takes four neighbours, with the weights of a cubic. Where the places lie is said by
``mode`` and ``align_corners``; $s$ is the distance of two new pixels, $n / m$, or 1 / ``scale_factor`` where that is
given (and not ``recompute_scale_factor``):

| ``mode`` | $u_o$ | |
|---|---|---|
| ``nearest`` | $s\, o$ | the old pixel below the corner of the new one |
| ``nearest-exact`` | $s\,(o + \frac12)$ | the old pixel below its centre |
| ``linear`` and its kin | $\max(s\,(o + \frac12) - \frac12,\ 0)$ | centre to centre; beyond it the border's pixel |
| ``bicubic`` | $s\,(o + \frac12) - \frac12$ | the same, with one pixel more on each side |
| … with ``align_corners`` | $o\,(n - 1) / (m - 1)$ | the outermost pixels stay where they are |
| ``area`` | | the mean of all old pixels below the new one: adaptive average pooling |

Where an image shrinks, the mean of two or four neighbours passes over all others, and fine patterns turn into coarse
ones that were not there (*aliasing*). With ``antialias`` the kernel $k$ widens with $s$, so that no pixel is passed
over, and what reaches over the border is left out:

$$ y_o = \sum_j w_{oj}\, x_j, \qquad
   w_{oj} \propto k\!\left(\frac{j + \frac12 - s\,(o + \frac12)}{\max(s, 1)}\right), \quad \sum_j w_{oj} = 1 $$

| ``mode`` | $k(d)$ | reach |
|---|---|---|
| ``bilinear`` | $1 - \lvert d \rvert$ | 1 |
| ``bicubic`` | the cubic, of slope $-\frac12$ at 1 instead of $-\frac34$ | 2 |
| ``lanczos`` | $\operatorname{sinc}(d)\, \operatorname{sinc}(d / 3)$, only with ``antialias`` | 3 |

($\operatorname{sinc}(d) = \sin(\pi d) / (\pi d)$. With ``align_corners`` $s$ is $(n - 1) / (m - 1)$, and the centres
are still at $s\,(o + \frac12)$, as torch has it.)

Shapes: ``input`` (B, C, W), (B, C, H, W) or (B, C, D, H, W); the result has ``size``, or the input's times
``scale_factor``, rounded down, along all axes but B and C. Training and evaluation are the same.

Bytes are taken as they are by ``nearest``, and by the means of an image: those have weights of 16 bits, and turn bytes
into bytes along the columns and then along the rows, in whole numbers, as torch does, bit for bit.

Precision: half precision is computed in float32. At a tie between two pixels rounding decides, and on a CPU torch
rounds in different ways: in float32 for small or channels-last images, in the input's own precision for others; on CUDA
always in float32. The pixels chosen here are the same. (torch's gradients are rounded in float32 always, and in float64
may go to a neighbour of the pixel that was taken; here they go to that pixel.) With ``antialias`` torch takes half
precision on a GPU only, to a single column repeats the first row, and where a size stays but ``scale_factor`` is not 1
has a gradient that is not that of its copy; here all of these are as the formula says.

Sources: Keys, *Cubic convolution interpolation for digital image processing*, 1981; Duchon, *Lanczos filtering in one
and two dimensions*, 1979; Szeliski, *Computer Vision*, 2010, section 3.5; Odena et al., *Deconvolution and checkerboard
artifacts*, 2016.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Concept, Function, Tiered, warn
from conceptlab.core.autocast import Policy

_nn = torch._C._nn


class Upsample(Tiered, torch.nn.Upsample):
    """Interpolation as a layer.

    >>> Upsample(scale_factor=2)(torch.tensor([[[1.0, 3.0]]]))
    tensor([[[1., 1., 3., 3.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return self.ops.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )


class UpsamplingNearest2d(Upsample, torch.nn.UpsamplingNearest2d):
    """Each pixel again and again.

    >>> UpsamplingNearest2d(scale_factor=2)(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 3, 8, 8])
    """


class UpsamplingBilinear2d(Upsample, torch.nn.UpsamplingBilinear2d):
    """Means of neighbours, with the corners where they were.

    >>> UpsamplingBilinear2d(size=3)(torch.tensor([[[[0.0, 4.0], [4.0, 8.0]]]]))
    tensor([[[[0., 2., 4.],
              [2., 4., 6.],
              [4., 6., 8.]]]])
    """


def _autocast(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *_: Any, **__: Any
) -> dict[str, Policy] | None:
    """A mean over areas is that of adaptive_avg_pool; on a GPU, which has no lanczos, all others are in float32."""
    if mode == "lanczos":
        return None
    if mode != "area":
        return {"cuda": "float32"}
    return {"cpu": "float32"} if input.dim() == 5 else None


def _upsample(
    interpolate: Callable,
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    _warn("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def _upsample_nearest(
    interpolate: Callable,
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    _warn("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def _upsample_bilinear(
    interpolate: Callable,
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    _warn("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn(name: str) -> None:
    # torch's words, which a filter may look for
    warn(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=4)


def _of_pixels(mode: str) -> Callable:
    """The adapter of torch's kernels without ``align_corners``."""

    def adapter(
        interpolate: Callable,
        input: Tensor,
        output_size: Sequence[int] | None = None,
        scale_factors: Sequence[float] | None = None,
    ) -> Tensor:
        return interpolate(input, output_size, scale_factors, mode)

    return adapter


def _of_means(mode: str, antialias: bool = False) -> Callable:
    """The adapter of torch's kernels with it."""

    def adapter(
        interpolate: Callable,
        input: Tensor,
        output_size: Sequence[int] | None,
        align_corners: bool,
        scale_factors: Sequence[float] | None = None,
    ) -> Tensor:
        return interpolate(input, output_size, scale_factors, mode, align_corners, antialias=antialias)

    return adapter


_MODES = ("bilinear", "bicubic", "lanczos")
# torch 2.11 has no lanczos
_SMOOTH = {vars(_nn)[name]: mode for mode in _MODES if (name := f"_upsample_{mode}2d_aa") in vars(_nn)}

CONCEPT = Concept(
    title="interpolation",
    home=F,
    functions={
        "interpolate": Function(
            also={
                F.upsample: _upsample,
                F.upsample_nearest: _upsample_nearest,
                F.upsample_bilinear: _upsample_bilinear,
                **{getattr(_nn, f"upsample_nearest{rank}d"): _of_pixels("nearest") for rank in (1, 2, 3)},
                **{getattr(_nn, f"_upsample_nearest_exact{rank}d"): _of_pixels("nearest-exact") for rank in (1, 2, 3)},
                _nn.upsample_linear1d: _of_means("linear"),
                _nn.upsample_bilinear2d: _of_means("bilinear"),
                _nn.upsample_bicubic2d: _of_means("bicubic"),
                _nn.upsample_trilinear3d: _of_means("trilinear"),
                **{function: _of_means(mode, antialias=True) for function, mode in _SMOOTH.items()},
            },
            autocast=_autocast,
        )
    },
    classes={Upsample: "interpolate", UpsamplingNearest2d: "interpolate", UpsamplingBilinear2d: "interpolate"},
)
