"""The changes of a picture, each by its rule. Most are told as: where does each new pixel come from?"""

import math

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode


def horizontal_flip(inpt: Tensor) -> Tensor:
    H, W = inpt.shape[-2:]
    return _from(inpt, range(H), [W - 1 - x for x in range(W)])


def vertical_flip(inpt: Tensor) -> Tensor:
    H, W = inpt.shape[-2:]
    return _from(inpt, [H - 1 - y for y in range(H)], range(W))


def pad(inpt: Tensor, padding, fill=None, padding_mode: str = "constant") -> Tensor:
    if not isinstance(padding, int | list | tuple):
        raise TypeError(f"pad: `padding` should be an integer or tuple or list of integers, received {padding!r}")
    numbers = [padding] if isinstance(padding, int) else list(padding)
    if len(numbers) not in (1, 2, 4):
        raise ValueError(f"pad: Padding must be an int or a 1, 2, or 4 element tuple or list, received {padding}")
    left, top, right, bottom = numbers * (4 // len(numbers))
    places = {"constant": _as_it_is, "edge": _edge, "reflect": _reflect, "symmetric": _symmetric}
    if padding_mode not in places:
        raise ValueError(f"pad: `padding_mode` should be one of {list(places)}, received {padding_mode!r}")
    fills = fill if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if len(fills) > 1 and padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    H, W = inpt.shape[-2:]
    rows = [places[padding_mode](y, H, top, bottom) for y in range(-top, H + bottom)]
    columns = [places[padding_mode](x, W, left, right) for x in range(-left, W + right)]
    return _from(inpt, rows, columns, fills)


def crop(inpt: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    return _from(inpt, range(top, top + height), range(left, left + width))


def center_crop(inpt: Tensor, output_size) -> Tensor:
    height, width = [output_size] * 2 if isinstance(output_size, int) else [*output_size, *output_size][:2]
    H, W = inpt.shape[-2:]
    top = -((height - H) // 2) if height > H else round((H - height) / 2)
    left = -((width - W) // 2) if width > W else round((W - width) / 2)
    return crop(inpt, top, left, height, width)


def resize(inpt: Tensor, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True) -> Tensor:
    mode = _mode(interpolation)
    height, width = _new_size(*inpt.shape[-2:], size, max_size)
    if (height, width) == inpt.shape[-2:]:
        return inpt
    if mode in ("nearest", "nearest-exact"):
        return _from(inpt, *(_nearest(n, m, mode) for n, m in zip(inpt.shape[-2:], (height, width), strict=True)))
    if mode not in ("bilinear", "bicubic"):
        raise NotImplementedError(f"resize: mode {mode}; expected nearest, nearest-exact, bilinear or bicubic")
    image = inpt if inpt.dtype in (torch.float32, torch.float64) else inpt.float()
    for axis, m in ((-1, width), (-2, height)):
        if m == image.shape[axis]:
            continue
        pixels = image.unbind(axis)
        sums = [sum(w * pixels[j] for j, w in _weights(i, len(pixels), m, mode, antialias)) for i in range(m)]
        image = torch.stack(sums, axis)
        if inpt.dtype == torch.uint8:
            image = (image + 0.5).floor().clamp(0, 255)
    return (image if inpt.is_floating_point() else image.round()).to(inpt.dtype)


def resized_crop(
    inpt: Tensor, top: int, left: int, height: int, width: int, size,
    interpolation=InterpolationMode.BILINEAR, antialias=True,
) -> Tensor:  # fmt: skip
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def rotate(
    inpt: Tensor, angle: float, interpolation=InterpolationMode.NEAREST, expand: bool = False, center=None, fill=None
) -> Tensor:
    H, W = inpt.shape[-2:]
    angle = angle % 360
    if center is None and (angle in (0, 180) or (angle in (90, 270) and (expand or H == W))):
        return torch.rot90(inpt, int(angle) // 90, (-2, -1)).clone()
    center = [0.0, 0.0] if center is None else [center[0] - W / 2, center[1] - H / 2]
    matrix = _inverse_map(-angle, [0, 0], 1.0, [0, 0], center)
    size = _size_of_turned(matrix, H, W) if expand else (H, W)
    return _moved(inpt, matrix, size, _mode(interpolation), fill)


def affine(
    inpt: Tensor, angle: float, translate, scale: float, shear,
    interpolation=InterpolationMode.NEAREST, fill=None, center=None,
) -> Tensor:  # fmt: skip
    shears = [shear, 0.0] if isinstance(shear, int | float) else shear
    sequences = (translate, shears, [] if center is None else center)
    if not isinstance(angle, int | float) or not all(isinstance(x, list | tuple) for x in sequences):
        raise TypeError("affine: angle should be int or float; translate, shear and center should be sequences")
    if len(translate) != 2 or len(shears) not in (1, 2) or scale <= 0:
        raise ValueError("affine: translate should be a sequence of length 2, shear of 1 or 2; scale positive")
    H, W = inpt.shape[-2:]
    center = [0.0, 0.0] if center is None else [center[0] - W / 2, center[1] - H / 2]
    matrix = _inverse_map(angle, translate, scale, [*shears, *shears][:2], center)
    return _moved(inpt, matrix, (H, W), _mode(interpolation), fill)


def normalize(inpt: Tensor, mean, std, inplace: bool = False) -> Tensor:
    if not inpt.is_floating_point():
        raise TypeError(f"normalize: Input tensor should be a float tensor, received {inpt.dtype}")
    if 0 in std:
        raise ValueError("normalize: std evaluated to zero, leading to division by zero")
    mean, std = (torch.tensor(x, dtype=inpt.dtype).reshape(-1, 1, 1) for x in (mean, std))
    output = (inpt - mean) / std
    return inpt.copy_(output) if inplace else output


def adjust_brightness(inpt: Tensor, brightness_factor: float) -> Tensor:
    return _blend(inpt, torch.zeros(()), brightness_factor)


def adjust_contrast(inpt: Tensor, contrast_factor: float) -> Tensor:
    return _blend(inpt, _grey(inpt).mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(inpt: Tensor, saturation_factor: float) -> Tensor:
    blended = _blend(inpt, _grey(inpt), saturation_factor)
    return inpt if inpt.shape[-3] == 1 else blended


def adjust_hue(inpt: Tensor, hue_factor: float) -> Tensor:
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: hue_factor ({hue_factor}) is not in [-0.5, 0.5]")
    if inpt.shape[-3] == 1 or inpt.numel() == 0:
        return inpt
    image = inpt.float() if inpt.is_floating_point() else inpt.float() / torch.iinfo(inpt.dtype).max
    r, g, b = image.unbind(-3)
    v, low = image.amax(-3), image.amin(-3)
    delta = torch.where(v == low, 1, v - low)  # grey has no hue, and nothing to divide by
    s = (v - low) / torch.where(v == low, 1, v)
    sixths = torch.where(v == r, (g - b) / delta, torch.where(v == g, 2 + (b - r) / delta, 4 + (r - g) / delta))
    sixths = (sixths + 6 * hue_factor).remainder(6)
    # each channel is v, less what the distance from its own hue takes away
    distances = [(n + sixths).remainder(6) for n in (5, 3, 1)]
    shares = [torch.minimum(k, 4 - k).clamp(0, 1) for k in distances]
    image = torch.stack([v - v * s * share for share in shares], -3)
    return image.to(inpt.dtype) if inpt.is_floating_point() else (image * 255.999).to(inpt.dtype)


def gaussian_blur(inpt: Tensor, kernel_size, sigma=None) -> Tensor:
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2 or any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"gaussian_blur: kernel_size should have two odd and positive integers, received {sizes}")
    if isinstance(sigma, str):
        raise TypeError(f"gaussian_blur: sigma should be either float or sequence of floats, received {sigma!r}")
    sigmas = [0.15 * size + 0.35 for size in sizes] if sigma is None else sigma
    sigmas = [sigmas] if isinstance(sigmas, int | float) else list(sigmas)
    if len(sigmas) > 2 or min(sigmas) <= 0:
        raise ValueError(f"gaussian_blur: sigma should have one or two positive values, received {sigma}")
    (k_x, k_y), (s_x, s_y) = sizes, [*sigmas, *sigmas][:2]
    padded = pad(inpt if inpt.is_floating_point() else inpt.float(), [k_x // 2, k_y // 2], padding_mode="reflect")
    H, W = inpt.shape[-2:]
    total, weights = 0, 0
    for i in range(k_y):
        for j in range(k_x):
            w = math.exp(-((i - k_y // 2) ** 2) / (2 * s_y**2) - (j - k_x // 2) ** 2 / (2 * s_x**2))
            total = total + w * padded[..., i : i + H, j : j + W]
            weights = weights + w
    mean = total / weights
    return mean if inpt.is_floating_point() else mean.round().to(inpt.dtype)


def erase(inpt: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    output = inpt if inplace else inpt.clone()
    output[..., i : i + h, j : j + w] = v
    return output


def mixup(batch: Tensor, lam: float) -> Tensor:
    mixed = [lam * batch[n] + (1 - lam) * batch[n - 1] for n in range(len(batch))]
    return batch.clone().copy_(torch.stack(mixed)) if batch.is_floating_point() else batch.mul_(lam)


def cutmix(batch: Tensor, box) -> Tensor:
    x1, y1, x2, y2 = box
    output = batch.clone()
    for n in range(len(batch)):
        output[n, ..., y1:y2, x1:x2] = batch[n - 1, ..., y1:y2, x1:x2]
    return output


def mixup_labels(labels: Tensor, lam: float, num_classes: int | None = None) -> Tensor:
    if labels.dim() == 1:
        labels = torch.stack([(torch.arange(num_classes) == label).float() for label in labels])
    return mixup(labels if labels.is_floating_point() else labels.float(), lam)


def _from(image: Tensor, rows, columns, fill=(0,)) -> Tensor:
    """The image whose pixel (y', x') is the old one at (rows[y'], columns[x']), or the fill where there is none."""
    H, W = image.shape[-2:]
    fill = torch.tensor(fill).to(image.dtype).reshape(-1, 1).expand(image.shape[-3], 1)[:, 0]
    outside = torch.zeros_like(image[..., :1, :1])[..., 0, 0] + fill
    rows, columns = list(rows), list(columns)
    output = image.new_empty(*image.shape[:-2], len(rows), len(columns))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            output[..., i, j] = image[..., y, x] if 0 <= y < H and 0 <= x < W else outside
    return output


def _as_it_is(x: int, n: int, before: int, after: int) -> int:
    return x


def _edge(x: int, n: int, before: int, after: int) -> int:
    return min(max(x, 0), n - 1)


def _reflect(x: int, n: int, before: int, after: int) -> int:
    if max(before, after) >= n:
        raise RuntimeError("pad: Padding size should be less than the corresponding input dimension")
    return -x if x < 0 else min(x, 2 * (n - 1) - x)


def _symmetric(x: int, n: int, before: int, after: int) -> int:
    if max(before, after) > n:
        raise IndexError("pad: Padding size should be at most the corresponding input dimension")
    return -1 - x if x < 0 else min(x, 2 * n - 1 - x)


def _mode(interpolation) -> str:
    names = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
    name = names.get(interpolation) if isinstance(interpolation, int) else interpolation
    name = name.value if isinstance(name, InterpolationMode) else name
    if name not in (*names.values(), "nearest-exact"):
        raise ValueError(
            f"interpolation: expected one of {[*names.values(), 'nearest-exact']}, received {interpolation}"
        )
    return name


def _new_size(H: int, W: int, size, max_size):
    short, long = min(H, W), max(H, W)
    size = [size] if isinstance(size, int) else size
    if size is not None and len(size) == 2:
        if max_size is not None:
            raise ValueError("resize: max_size should only be passed if size is the length of the smaller edge")
        return tuple(size)
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError("resize: max_size must be an integer when size is None")
        short, long = int(max_size * short / long), max_size
    else:
        short, long = size[0], int(size[0] * long / short)
        if max_size is not None and max_size <= short:
            raise ValueError("resize: max_size must be strictly greater than the requested size")
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
    return (short, long) if H <= W else (long, short)


def _nearest(n: int, m: int, mode: str) -> list[int]:
    half = 0.5 if mode == "nearest-exact" else 0.0
    scale = torch.tensor(n, dtype=torch.float32) / m  # torch's rounding decides at ties
    return [min(int((torch.tensor(i + half, dtype=torch.float32) * scale).tolist()), n - 1) for i in range(m)]


def _weights(i: int, n: int, m: int, mode: str, antialias) -> list[tuple[int, float]]:
    """The old pixels that new pixel i of m is a weighted mean of."""
    center, stretch = (i + 0.5) * n / m, max(n / m, 1) if antialias else 1
    reach = (1 if mode == "bilinear" else 2) * stretch
    places = range(math.floor(center - reach), math.ceil(center + reach) + 1)
    a = -0.5 if antialias else -0.75
    weights = [(j, _kernel(abs(j + 0.5 - center) / stretch, mode, a)) for j in places]
    if not antialias:
        return [(min(max(j, 0), n - 1), w) for j, w in weights]
    inside = [(j, w) for j, w in weights if 0 <= j < n]
    return [(j, w / sum(w for _, w in inside)) for j, w in inside]


def _kernel(d: float, mode: str, a: float) -> float:
    if mode == "bilinear":
        return max(1 - d, 0)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0


def _inverse_map(angle: float, translate, scale: float, shear, center) -> Tensor:
    alpha, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a, c = math.cos(alpha - sy) / math.cos(sy), math.sin(alpha - sy) / math.cos(sy)
    b, d = -a * math.tan(sx) - math.sin(alpha), -c * math.tan(sx) + math.cos(alpha)
    p, q, r, s = d / scale, -b / scale, -c / scale, a / scale
    x, y = center[0] + translate[0], center[1] + translate[1]
    return torch.tensor([[p, q, center[0] - p * x - q * y], [r, s, center[1] - r * x - s * y]], dtype=torch.float64)


def _size_of_turned(matrix: Tensor, H: int, W: int) -> tuple[int, int]:
    corners = torch.tensor([[x * W / 2, y * H / 2, 1] for x in (-1, 1) for y in (-1, 1)], dtype=torch.float32)
    places = corners @ matrix.float().t() + torch.tensor([W / 2, H / 2])
    low, high = ((x * 1e4).trunc() * 1e-4 for x in (places.amin(0), places.amax(0)))
    width, height = (high.ceil() - low.floor()).int().tolist()
    return height, width


def _moved(image: Tensor, matrix: Tensor, size: tuple[int, int], mode: str, fill) -> Tensor:
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    fills = None if fill is None else list(fill) if isinstance(fill, list | tuple) else [fill]
    if fills is not None and len(fills) not in (1, image.shape[-3]):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of the image"
        )
    (H, W), (height, width) = image.shape[-2:], size
    pixels = image if image.is_floating_point() else image.float()
    x = torch.linspace((1 - width) * 0.5, (width - 1) * 0.5, width).to(pixels.dtype).expand(height, width)
    y = torch.linspace((1 - height) * 0.5, (height - 1) * 0.5, height).to(pixels.dtype)[:, None].expand(height, width)
    new_places = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
    to_halves = matrix.to(pixels.dtype).t() / torch.tensor([0.5 * W, 0.5 * H], dtype=pixels.dtype)
    old_x, old_y = (new_places @ to_halves[None]).reshape(height, width, 2).unbind(-1)
    old_x, old_y = ((old_x + 1) * W - 1) / 2, ((old_y + 1) * H - 1) / 2
    if mode == "nearest":
        terms = [(old_x.round(), old_y.round(), torch.ones_like(x))]
    else:
        corners = [(old_x.floor() + dx, old_y.floor() + dy) for dx in (0, 1) for dy in (0, 1)]
        terms = [(cx, cy, (1 - (old_x - cx).abs()) * (1 - (old_y - cy).abs())) for cx, cy in corners]
    output, coverage = 0, 0
    for cx, cy, weight in terms:
        weight = weight * ((cx >= 0) & (cx < W) & (cy >= 0) & (cy < H))
        value = pixels[..., cy.clamp(0, H - 1).long(), cx.clamp(0, W - 1).long()]
        output, coverage = output + weight * value, coverage + weight
    if fills is not None:
        color = torch.tensor(fills, dtype=pixels.dtype).reshape(-1, 1, 1)
        # what is mixed has been weighted by its coverage already, and torchvision weights it once more
        output = (output - color) * coverage + color
    return output if image.is_floating_point() else output.round().to(image.dtype)


def _grey(image: Tensor) -> Tensor:
    if image.shape[-3] not in (1, 3):
        raise TypeError(f"Input image tensor permitted channel values are 1 or 3, received {image.shape[-3]}")
    if image.shape[-3] == 1:
        return image if image.is_floating_point() else image.float()
    r, g, b = image.unbind(-3)
    grey = (0.2989 * r + 0.587 * g + 0.114 * b).unsqueeze(-3)
    return grey if image.is_floating_point() else grey.floor()


def _blend(image: Tensor, other: Tensor, factor: float) -> Tensor:
    if factor < 0:
        raise ValueError(f"the factor ({factor}) is not non-negative")
    brightest = 1 if image.is_floating_point() else torch.iinfo(image.dtype).max
    return (factor * image + (1 - factor) * other).clamp(0, brightest).to(image.dtype)
