"""The functions, under torch's names, and with ``tier=``.

>>> import torch
>>> from conceptlab.nn import functional as F
>>> F.relu(torch.tensor([-1.0, 2.0]), tier="naive")
tensor([0., 2.])
"""

import torch.nn.functional

from conceptlab.core.surface import Surface

_surface = Surface(__name__, torch.nn.functional)
_contents = _surface.contents()
globals().update(_contents)

__all__ = list(_contents)
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
