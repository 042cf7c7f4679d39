"""Local response normalization by its definition."""

import torch
from torch import Tensor


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    if input.dim() < 3:
        raise ValueError(f"local_response_norm: Expected 3D or higher dimensionality input, got {input.dim()}D.")
    if input.numel() == 0:
        return input
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    outputs = []
    for c in range(x.shape[1]):
        window = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        strength = k + alpha * window.square().sum(1) / size
        outputs.append(x[:, c] / strength**beta)
    y = torch.empty_like(x)
    return y.copy_(torch.stack(outputs, dim=1)).to(input.dtype)
