"""The layers, under torch's names, and with ``tier=``.

>>> from conceptlab import nn
>>> nn.Sequential(nn.Linear(4, 3, tier="naive"), nn.ReLU(), nn.Flatten())
Sequential(
  (0): Linear(in_features=4, out_features=3, bias=True, tier=naive)
  (1): ReLU(tier=handmade)
  (2): Flatten(start_dim=1, end_dim=-1)
)

What does no arithmetic (containers, ``Module``, ``Parameter`` …) is torch's. A layer that is not by hand raises
``AttributeError``: never is torch's own a silent stand-in.
"""

import torch.nn

from conceptlab.core.surface import Surface
from conceptlab.nn import functional, init, utils

_surface = Surface(
    __name__,
    torch.nn,
    passes=(
        *("Module", "Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer"),
        *("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"),
        *("Identity", "Flatten", "Unflatten", "DataParallel", "parallel"),
    ),
)
_contents = _surface.contents()
globals().update(_contents)

__all__ = ["functional", "init", "utils", *_contents]
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
