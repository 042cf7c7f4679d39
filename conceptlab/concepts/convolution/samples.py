"""Inputs for convolution that PyTorch's own samples do not reach, and the shapes of its benchmark."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from conceptlab.core.samples import Case, Sample


def samples(part_name: str, dtype: torch.dtype) -> Iterator[Sample]:
    """Each of handmade's paths, in several blocks and in one; empty, infinite and integer inputs."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()

    def sample(name: str, x: tuple, weight: tuple, bias: bool = False, **settings: Any) -> Sample:
        outputs = weight[1] * settings.get("groups", 1) if part_name.startswith("conv_transpose") else weight[0]
        arguments = randn(*x), randn(*weight), randn(outputs) if bias else None
        return Sample(name, arguments, settings)

    if part_name.startswith("ConvTranspose"):
        rank = int(part_name[-2])
        shape = (2, 3, *(4, 3, 5)[:rank])
        chosen = {"output_size": tuple(2 * n + 1 for n in shape[2:])}
        yield Sample("no bias", (randn(*shape),), init_args=(3, 4, 2), init_kwargs={"bias": False})
        yield Sample("the size of the result", (randn(*shape),), chosen, (3, 4, 2, 2))
        yield Sample("no batch axis, the size of the result", (randn(*shape[1:]),), chosen, (3, 4, 2, 2))
    elif part_name.startswith("conv_transpose"):
        yield from _transposed(sample, int(part_name[-2]))
    elif part_name.startswith("Conv"):
        rank = int(part_name[-2])
        yield Sample("no bias", (randn(2, 3, *(6, 5, 4)[:rank]),), init_args=(3, 4, 2), init_kwargs={"bias": False})
    elif part_name == "conv1d":
        yield sample("even kernel, same", (2, 3, 7), (4, 3, 4), True, padding="same")
        yield sample("two taps, same", (2, 3, 7), (4, 3, 2), padding="same")
        yield sample("two taps in two groups", (2, 4, 6), (4, 2, 2), groups=2)
        yield sample("two taps in two groups, stride two", (2, 4, 6), (4, 2, 2), groups=2, stride=2)
        yield sample("depthwise", (2, 3, 9), (6, 1, 3), True, groups=3, stride=2, padding=2, dilation=2)
        yield sample("depthwise, every third", (2, 2, 10), (2, 1, 4), groups=2, padding=1, stride=3)
        yield sample("depthwise, more zeros than pixels", (2, 2, 2), (2, 1, 3), groups=2, padding=3)
        yield sample("one tap", (3, 4, 5), (2, 4, 1))
        yield sample("many channels", (3, 64, 51), (64, 64, 3), True)
    elif part_name == "conv3d":
        yield sample("batch", (3, 2, 4, 5, 3), (3, 2, 2, 3, 2), True, padding=1, stride=(1, 2, 1))
        yield sample("depthwise", (2, 3, 4, 5, 4), (3, 1, 3, 2, 2), groups=3, stride=(2, 1, 1), padding=(1, 0, 1))
    elif part_name == "conv2d":
        yield from _images(sample)
        yield from _special_images(randn, generator, dtype)


def _images(sample: Callable[..., Sample]) -> Iterator[Sample]:
    yield sample("more zeros than the kernel reaches", (2, 3, 4, 5), (4, 3, 2, 3), True, padding=4)
    yield sample("more zeros than the kernel reaches, on one axis", (2, 3, 4, 5), (4, 3, 2, 3), padding=(3, 1))
    yield sample("strided from row to row only", (2, 4, 9, 8), (2, 4, 5, 3), stride=(2, 1))
    yield sample("one tap with padding", (2, 3, 4, 5), (4, 3, 1, 1), True, padding=1)
    yield sample("one tap", (2, 4, 13, 11), (3, 4, 1, 1), True)
    yield sample("one tap, strided on one axis", (2, 3, 4, 5), (4, 3, 1, 1), stride=(1, 2))
    yield sample("one tap, padded on one axis", (2, 3, 4, 5), (4, 3, 1, 1), padding=(0, 1))
    yield sample("one tap, groups", (3, 4, 5, 4), (6, 2, 1, 1), groups=2)
    yield sample("many weights, few pixels", (2, 3, 3, 3), (40, 3, 3, 3), padding=1)
    yield sample("channels decrease", (3, 6, 9, 8), (4, 6, 3, 3), padding=1)
    yield sample("channels increase", (3, 2, 6, 7), (8, 2, 3, 3), padding=1)
    yield sample("groups, strided", (3, 6, 7, 9), (4, 3, 3, 3), True, groups=2, stride=2, padding=1)
    yield sample("several blocks of samples", (21, 64, 8, 8), (32, 64, 3, 3), True, padding=1)
    yield sample("several bands of rows", (1, 24, 40, 40), (50, 24, 3, 9), True, dilation=(2, 1))
    yield sample("several bands, strided", (1, 48, 35, 35), (4, 48, 5, 5), True, stride=2)
    yield sample("many channels, an odd number of rows", (3, 64, 7, 8), (64, 64, 3, 3), True, padding=1)
    yield sample("many channels, several bands", (2, 64, 22, 64), (65, 64, 3, 3), padding=1)
    yield sample("depthwise, several blocks", (3, 512, 15, 15), (512, 1, 3, 3), True, groups=512, padding=1)
    yield sample("depthwise, two for each", (2, 3, 6, 7), (6, 1, 3, 3), groups=3, stride=2, padding=1)
    yield sample("empty batch", (0, 3, 4, 5), (2, 3, 3, 3), True)
    yield sample("empty batch, depthwise", (0, 2, 4, 5), (2, 1, 3, 3), True, groups=2, padding=1)


def _special_images(randn: Callable[..., Tensor], generator: torch.Generator, dtype: torch.dtype) -> Iterator[Sample]:
    special = torch.randn(2, 3, 5, 5, generator=generator, dtype=dtype)
    special[0, 0, 0, 0], special[0, 1, 4, 4], special[1, 2, 2, 4] = float("nan"), float("inf"), float("-inf")
    # without padding, because torch's own bfloat16 multiplies infinity by zeros of the padding
    yield Sample("NaN and infinity", (special.requires_grad_(), randn(2, 3, 3, 3)))
    yield Sample("NaN and infinity, depthwise", (special, randn(3, 1, 3, 3)), {"groups": 3})
    numbers = torch.arange(50).reshape(1, 2, 5, 5), torch.arange(36).reshape(2, 2, 3, 3)
    yield Sample("integers", (*numbers, torch.tensor([1, 2])), {"padding": 1})
    yield Sample("only the weight has a gradient", (special.detach().nan_to_num(0, 1, -1), randn(2, 3, 3, 3)))


def _transposed(sample: Callable[..., Sample], rank: int) -> Iterator[Sample]:
    size, kernel = (4, 3, 5)[:rank], (3, 2, 4)[:rank]
    x = (2, 4, *size)
    yield sample("strided, between two sizes", x, (4, 3, *kernel), True, stride=2, padding=1, output_padding=1)
    yield sample("groups", x, (4, 3, *kernel), True, groups=2, stride=(3, 1, 2)[:rank])
    if rank < 3:  # a volume's graph of so many taps takes a compiler minutes, and shows nothing new
        one = {"stride": (2, 1)[:rank], "padding": 1, "dilation": (1, 2)[:rank]}
        yield sample("depthwise", x, (4, 1, *kernel), True, groups=4, **one)
        yield sample("depthwise, two to one", x, (4, 1, *kernel), groups=2, stride=(2, 1)[:rank])
    beyond = {"stride": (1, 2, 1)[:rank], "dilation": 4, "output_padding": (2, 3, 0)[:rank]}
    yield sample("more than a stride between two sizes", x, (4, 3, *kernel), True, **beyond)
    yield sample("empty batch", (0, *x[1:]), (4, 3, *kernel), True, stride=2)
    yield sample("one pixel", (2, 40, *[1] * rank), (40, 3, *kernel), True)
    yield sample("channels decrease", x, (4, 2, *[3] * rank), True, padding=1)
    yield sample("channels increase", x, (4, 9, *[3] * rank), True, padding=1)
    if rank == 2:
        yield sample("one tap with padding", x, (4, 3, 1, 1), True, padding=1)
        yield sample("several blocks of samples", (13, 64, 8, 8), (64, 16, 4, 4), True, stride=2, padding=1)
        yield sample("several bands of rows", (1, 4, 16, 16), (4, 96, 4, 4), True, stride=2, padding=1)
        yield sample("many channels", (3, 64, 7, 8), (64, 64, 3, 3), True, padding=1)
        numbers = torch.arange(40).reshape(1, 2, 5, 4), torch.arange(36).reshape(2, 2, 3, 3)
        yield Sample("integers", (*numbers, torch.tensor([1, 2])), {"padding": 1, "stride": 2})


def refused(part_name: str) -> Iterator[Sample]:
    """Convolutions whose arguments do not go together: of the plain ones what PyTorch's own samples lack."""
    rank = int(part_name[-2])
    x, weight = torch.ones(2, 4, *(4, 3, 5)[:rank]), torch.ones(4, 3, *[2] * rank)
    if not part_name.startswith("conv_transpose"):
        weight = weight.transpose(0, 1)
        yield Sample("no output channels", (x, weight[:0]))
        yield Sample("a pixel less than the kernel", (x[:, :, :1], weight))
        yield Sample("no pixels but padding", (x[:, :, :0], weight), {"padding": 2})
        yield Sample("strided and same", (x, weight), {"padding": "same", "stride": (2, 1, 1)[:rank]})
        yield Sample("an unknown padding", (x, weight), {"padding": "unknown"})
        return
    calls: dict[str, dict[str, Any]] = {
        "no stride": {"stride": (0, 1, 1)[:rank]},
        "negative padding": {"padding": (-1, 0, 0)[:rank]},
        "no dilation": {"dilation": 0},
        "no groups": {"groups": 0},
        "channels that do not fall into groups": {"groups": 3},
        "strides for other axes": {"stride": (1, 1, 1, 1)},
        "as much as a stride": {"stride": 2, "output_padding": (2, 0, 0)[:rank]},
        "negative output_padding": {"output_padding": (-1, 0, 0)[:rank]},
        "padding by name": {"padding": "same"},
    }
    for name, settings in calls.items():
        yield Sample(name, (x, weight), settings)
    yield Sample("nothing is left", (x.double(), weight.double()), {"stride": 2, "padding": (4, 0, 0)[:rank]})
    yield Sample("a bias of the input's channels", (x, weight, torch.ones(4)))
    yield Sample("a bias of another dtype", (x, weight, torch.ones(3).double()))
    yield Sample("a weight of another dtype", (x, weight.double()))
    yield Sample("a weight of other channels", (x, weight[:3]))
    yield Sample("a weight of other axes", (x, weight[..., 0]))
    yield Sample("an axis too few", (x[0, 0], weight))
    yield Sample("no input channels", (x[:, :0], weight[:0]))
    yield Sample("no output channels", (x, weight[:, :0]))
    yield Sample("no pixels", (x[..., :0], weight))
    yield Sample("no taps", (x, weight[..., :0]))
    yield Sample("truth values", (x.bool(), weight.bool()))


def _inputs(x: tuple[int, ...], weight: tuple[int, ...], bias: bool, image: bool) -> Callable[[], tuple]:
    def make() -> tuple:
        b = torch.randn(weight[0]).requires_grad_() if bias else None
        # a network's first layer gets the data, of which nobody wants the gradient
        return torch.randn(x).requires_grad_(not image), torch.randn(weight).mul_(0.1).requires_grad_(), b

    return make


def _case(
    network: str, x: tuple[int, ...], weight: tuple[int, ...], bias: bool = False, image: bool = False, **settings: int
) -> Case:
    return Case(f"conv{len(x) - 2}d", network, _inputs(x, weight, bias, image), kwargs=settings)


def _up(
    network: str, x: tuple[int, ...], weight: tuple[int, ...], bias: bool = False, image: bool = False, **settings: int
) -> Case:
    def make() -> tuple:
        b = torch.randn(weight[1]).requires_grad_() if bias else None
        return torch.randn(x).requires_grad_(not image), torch.randn(weight).mul_(0.1).requires_grad_(), b

    return Case(f"conv_transpose{len(x) - 2}d", network, make, kwargs=settings)


BENCH = (
    _case("LeNet, conv1", (64, 1, 28, 28), (6, 1, 5, 5), bias=True, image=True, padding=2),
    _case("LeNet, conv2", (64, 6, 14, 14), (16, 6, 5, 5), bias=True),
    _case("ResNet-18, CIFAR, stem", (16, 3, 32, 32), (64, 3, 3, 3), image=True, padding=1),
    _case("ResNet-18, CIFAR, stage 1", (16, 64, 32, 32), (64, 64, 3, 3), padding=1),
    _case("ResNet-18, CIFAR, into stage 2", (16, 64, 32, 32), (128, 64, 3, 3), padding=1, stride=2),
    _case("ResNet-18, CIFAR, shortcut", (16, 64, 32, 32), (128, 64, 1, 1), stride=2),
    _case("ResNet-18, CIFAR, stage 2", (16, 128, 16, 16), (128, 128, 3, 3), padding=1),
    _case("ResNet-18, CIFAR, stage 3", (16, 256, 8, 8), (256, 256, 3, 3), padding=1),
    _case("ResNet-18, CIFAR, stage 4", (16, 512, 4, 4), (512, 512, 3, 3), padding=1),
    _case("ResNet-18, ImageNet, stem", (2, 3, 224, 224), (64, 3, 7, 7), image=True, padding=3, stride=2),
    _case("ResNet-18, ImageNet, stage 1", (2, 64, 56, 56), (64, 64, 3, 3), padding=1),
    _case("ResNet-18, ImageNet, stage 2", (2, 128, 28, 28), (128, 128, 3, 3), padding=1),
    _case("ResNet-18, ImageNet, into stage 3", (2, 128, 28, 28), (256, 128, 3, 3), padding=1, stride=2),
    _case("ResNet-18, ImageNet, stage 3", (2, 256, 14, 14), (256, 256, 3, 3), padding=1),
    _case("ResNet-18, ImageNet, stage 4", (2, 512, 7, 7), (512, 512, 3, 3), padding=1),
    _case("MobileNetV2, expand at 56", (2, 24, 56, 56), (144, 24, 1, 1)),
    _case("MobileNetV2, depthwise at 56", (2, 144, 56, 56), (144, 1, 3, 3), padding=1, groups=144),
    _case("MobileNetV2, depthwise 112 to 56", (2, 96, 112, 112), (96, 1, 3, 3), padding=1, groups=96, stride=2),
    _case("MobileNetV2, project at 14", (2, 384, 14, 14), (64, 384, 1, 1)),
    _case("MobileNetV2, depthwise at 14", (2, 384, 14, 14), (384, 1, 3, 3), padding=1, groups=384),
    _case("MobileNetV2, expand at 7", (2, 160, 7, 7), (960, 160, 1, 1)),
    _case("WaveNet, dilated layer", (4, 64, 1000), (128, 64, 2), bias=True, dilation=16),
    _case("C3D, conv2a, a quarter of the picture", (1, 64, 4, 20, 20), (128, 64, 3, 3, 3), bias=True, padding=1),
    # the generator gets noise, of which nobody wants the gradient
    _up("DCGAN, from noise", (16, 100, 1, 1), (100, 512, 4, 4), image=True),
    _up("DCGAN, 4 to 8", (16, 512, 4, 4), (512, 256, 4, 4), stride=2, padding=1),
    _up("DCGAN, 8 to 16", (16, 256, 8, 8), (256, 128, 4, 4), stride=2, padding=1),
    _up("DCGAN, 16 to 32", (16, 128, 16, 16), (128, 64, 4, 4), stride=2, padding=1),
    _up("DCGAN, into the picture", (16, 64, 32, 32), (64, 3, 4, 4), stride=2, padding=1),
    _up("U-Net, 16 to 32", (1, 1024, 16, 16), (1024, 512, 2, 2), bias=True, stride=2),
    _up("U-Net, 64 to 128", (1, 256, 64, 64), (256, 128, 2, 2), bias=True, stride=2),
    _up("U-Net, 128 to 256", (1, 128, 128, 128), (128, 64, 2, 2), bias=True, stride=2),
    _up("HiFi-GAN, second", (1, 256, 256), (256, 128, 16), bias=True, stride=8, padding=4),
    _up("3D U-Net, 8 to 16", (1, 128, 8, 8, 8), (128, 64, 2, 2, 2), bias=True, stride=2),
)
