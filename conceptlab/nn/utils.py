"""Clipping under torch's names, with ``tier=``; what else torch.nn.utils has is torch's own.

>>> import torch
>>> from conceptlab.nn import utils
>>> weight = torch.nn.Parameter(torch.zeros(2))
>>> weight.grad = torch.tensor([3.0, 4.0])
>>> utils.clip_grad_norm_([weight], 1.0, tier="naive"), weight.grad
(tensor(5.), tensor([0.6000, 0.8000]))
"""

import torch.nn.utils

from conceptlab.core.surface import Surface

_surface = Surface(
    __name__,
    torch.nn.utils,
    passes=(
        *("convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"),
        *("fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"),
        *("parameters_to_vector", "vector_to_parameters", "skip_init"),
        *("spectral_norm", "remove_spectral_norm", "weight_norm", "remove_weight_norm"),
        *("parametrizations", "parametrize", "rnn", "stateless"),
    ),
)
_contents = _surface.contents()
globals().update(_contents)

__all__ = list(_contents)
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
