"""Inputs for pooling that PyTorch's own samples do not reach, and the shapes of its benchmark."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample

_SHAPE = (2, 3, 6, 7, 5)


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Ties, infinities and NaN, empty batches, windows over the edge, adaptive windows that do not divide evenly."""
    if not part_name[0].islower():
        return
    rank = int(part_name[-2])
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()

    shape = _SHAPE[: 2 + rank]
    if part_name.startswith("adaptive"):
        yield from _adaptive(part_name, randn, shape, rank)
    elif part_name.startswith("max"):
        yield from _max(randn, shape, rank)
    else:
        yield from _avg(randn, shape, rank)


def _adaptive(part_name: str, randn: Callable, shape: tuple[int, ...], rank: int) -> Iterator[Sample]:
    for size in (1, 2, 4, 9):
        yield Sample(f"{size} windows", (randn(*shape), size))
    yield Sample("no batch axis", (randn(*shape[1:]), 3))
    yield Sample("empty batch", (randn(0, *shape[1:]), 3))
    yield Sample("no window", (randn(*shape).detach(), 0))
    if "avg" in part_name:
        yield Sample("no channels", (randn(2, 0, *shape[2:]).detach(), 2))
    if rank > 1:
        yield Sample("one axis as it is", (randn(*shape), (None, *[3] * (rank - 1))))
    if "max" in part_name:
        yield Sample("ties", (randn(*shape).detach().round(), 4), {"return_indices": True})
        yield Sample("special values", (_special(randn(*shape)), 4), {"return_indices": True})
        # so large that it is compared at once
        yield Sample("ties, one window", (randn(*shape).detach().round(), 1), {"return_indices": True})
        yield Sample("special values, one window", (_special(randn(*shape)), 1), {"return_indices": True})


def _max(randn: Callable, shape: tuple[int, ...], rank: int) -> Iterator[Sample]:
    window = {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}
    yield Sample("no batch axis", (randn(*shape[1:]),), window)
    yield Sample("empty batch", (randn(0, *shape[1:]),), window)
    yield Sample("ties", (randn(*shape).detach().round(),), window)
    yield Sample("special values", (_special(randn(*shape)),), window)
    yield Sample("-inf everywhere", (torch.full(shape[1:], float("-inf"), dtype=randn().dtype),), window)
    nothing = torch.full((1, *shape[2:]), float("-inf"), dtype=randn().dtype)
    yield Sample(
        "-inf everywhere, dilated", (nothing,), window | {"kernel_size": 4, "padding": 2, "dilation": 2, "stride": 1}
    )
    yield Sample("windows of one value", (randn(*shape), 1))
    yield Sample("no stride", (randn(*shape), 2, []))
    yield Sample("overlapping, as long as side by side", (randn(1, 2, *[10] * rank), 5, 4), {"return_indices": True})
    yield Sample("side by side, padded", (randn(1, 2, *[6] * rank), 3, 3, 1), {"return_indices": True})
    yield Sample("dilated, padded", (randn(*shape),), window | {"kernel_size": 2, "dilation": 3, "stride": 1})
    yield Sample("over the edge", (randn(*shape),), window | {"stride": 3, "ceil_mode": True})
    # so large that it is compared at once
    yield Sample("long windows side by side", (randn(1, 2, *(10, 5, 15)[-rank:]), 5), {"return_indices": True})
    if rank == 2:
        yield Sample("no batch axis, columns first", (randn(3, 7, 6).detach().mT.requires_grad_(), 2))
        whole = (randn(*shape).detach() * 9).to(torch.int64)
        yield Sample("whole numbers", (whole,), window)
        yield Sample(
            "bytes", (torch.arange(13 * 14, dtype=torch.uint8).reshape(1, 13, 14), 12, 1), window | {"padding": 0}
        )
        # the place of the largest, 287, is no number of bfloat16
        yield Sample("a window of more than 256 values", (_peak(randn(1, 1, 18, 18)), 17, 1), {"return_indices": True})
        side_by_side = _peak(randn(1, 2, 17, 17).contiguous(memory_format=torch.channels_last))
        yield Sample("more than 256 values at once, channels last", (side_by_side, 17), {"return_indices": True})
        yield Sample("in pieces", (randn(5, 1, 256, 256), 2, 128), {"return_indices": True})


def _avg(randn: Callable, shape: tuple[int, ...], rank: int) -> Iterator[Sample]:
    x = randn(*shape)
    yield Sample("no batch axis", (randn(*shape[1:]), 2))
    yield Sample("empty batch", (randn(0, *shape[1:]), 2))
    yield Sample("windows of one value", (x, 1, 2))
    yield Sample("long windows side by side", (randn(1, 2, *(10, 5, 15)[-rank:]), 5))
    yield Sample("overlapping, as long as side by side", (randn(1, 2, *[10] * rank), 5, 4))
    yield Sample("side by side, padded", (randn(1, 2, *[6] * rank), 3, 3, 1))
    yield Sample("no stride", (randn(1, 2, *[6] * rank), 2, []))
    for ceil_mode in (False, True):
        for include in (False, True):
            yield Sample(f"ceil {ceil_mode}, pad {include}", (x, 3, 2, 1, ceil_mode, include))
            yield Sample(f"over the edge, ceil {ceil_mode}, pad {include}", (x, 4, 3, 2, ceil_mode, include))
    if rank > 1:
        yield Sample("another divisor", (x, 3, 2, 1), {"divisor_override": 7})
    yield Sample("whole numbers", ((x.detach() * 9).to(torch.int64), 2))
    yield Sample("large whole numbers", ((x.detach() * 1e12).to(torch.int64), 2))


def refused(part_name: str) -> Iterator[Sample]:
    """Numbers that torch has no pooling of, sizes that are none, and inputs without an axis that they need."""
    if not part_name[0].islower():
        return
    rank = int(part_name[-2])
    x = torch.ones(_SHAPE[: 2 + rank])
    dtypes = [torch.bool, torch.complex64]
    if "avg" in part_name:
        dtypes.append(torch.int32)
    if part_name.startswith("adaptive"):
        for dtype in (*dtypes, torch.int64):
            yield Sample(f"{dtype}", (x.to(dtype), 2))
        yield Sample("None", (x, None))
        yield Sample("a negative size", (x, -1))
        yield Sample("too many sizes", (x, [2] * (rank + 1)))
        yield Sample("no axis of channels", (x[0, 0], 2))
        yield Sample("no axis of channels, and a list", (x[0, 0], [2] * rank))
        yield Sample("an empty axis", (x[..., :0], 2))
        if "max" in part_name:
            yield Sample("no channels", (x[:, :0], 2))
        return
    for dtype in dtypes:
        yield Sample(f"{dtype}", (x.to(dtype), 2))
    for kernel in (0, -1, 9, [2] * (rank + 1)):
        yield Sample(f"kernel {kernel}", (x, kernel, 1))
    for stride in (0, -1, [2] * (rank + 1)):
        yield Sample(f"stride {stride}", (x, 2, stride))
    for padding in (-1, 2):
        yield Sample(f"padding {padding}", (x, 2, 2, padding))
    if part_name != "avg_pool2d":  # of which torch says IndexError
        yield Sample("no axis of channels", (x[0, 0], 2))
    yield Sample("an empty axis", (x[..., :0], 2))
    if "max" in part_name:
        yield Sample("dilation 0", (x, 2, 2, 0, 0))
        yield Sample("padded by half of what a window with gaps covers", (x, 3, 1, 2, 2))


def _peak(x: Tensor) -> Tensor:
    x = x.detach()
    x[..., 16, 15] = 9
    return x.requires_grad_()


def _special(x: Tensor) -> Tensor:
    """Infinities and NaN among the values, more than one to a window."""
    x = x.detach()
    flat = x.view(-1)
    flat[::4], flat[1::7], flat[2::5], flat[3::5] = float("-inf"), float("inf"), float("nan"), float("nan")
    return x


def _images(*arguments: object, shape: tuple[int, ...]) -> Callable[[], tuple]:
    return lambda: (torch.randn(shape).requires_grad_(), *arguments)


BENCH = (
    Case("max_pool2d", "LeNet", _images(2, shape=(128, 6, 24, 24))),
    Case("max_pool2d", "VGG-11, first", _images(2, shape=(2, 64, 112, 112))),
    Case("max_pool2d", "VGG, CIFAR", _images(2, shape=(16, 64, 32, 32))),
    Case("max_pool2d", "ResNet-18, stem", _images(3, 2, 1, shape=(4, 64, 112, 112))),
    Case("max_pool2d", "GoogLeNet, inception 3a", _images(3, 1, 1, shape=(4, 192, 28, 28))),
    Case("max_pool1d", "M5, audio", _images(4, shape=(8, 64, 2000))),
    Case("max_pool3d", "C3D, second", _images(2, shape=(1, 64, 16, 56, 56))),
    Case("avg_pool2d", "LeNet", _images(2, shape=(128, 6, 24, 24))),
    Case("avg_pool2d", "DenseNet-121, transition", _images(2, shape=(4, 128, 56, 56))),
    Case("avg_pool2d", "Inception v3, mixed 5", _images(3, 1, 1, shape=(4, 192, 35, 35))),
    Case("avg_pool1d", "sequence", _images(4, shape=(8, 64, 2000))),
    Case("avg_pool3d", "volume", _images(2, shape=(1, 64, 16, 28, 28))),
    Case("adaptive_avg_pool2d", "ResNet-18, ImageNet", _images(1, shape=(16, 512, 7, 7))),
    Case("adaptive_avg_pool2d", "VGG-11, 32x32 images", _images(7, shape=(16, 512, 1, 1))),
    Case("adaptive_avg_pool2d", "PSPNet", _images(6, shape=(2, 256, 28, 28))),
    Case("adaptive_avg_pool1d", "sequence", _images(1, shape=(8, 64, 500))),
    Case("adaptive_avg_pool3d", "volume", _images(1, shape=(4, 256, 4, 7, 7))),
    Case("adaptive_max_pool2d", "spatial pyramid", _images(4, shape=(4, 256, 13, 13))),
    Case("adaptive_max_pool1d", "sequence", _images(1, shape=(8, 64, 500))),
    Case("adaptive_max_pool3d", "volume", _images(2, shape=(2, 64, 8, 14, 14))),
)
