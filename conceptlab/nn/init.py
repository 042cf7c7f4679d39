"""The initializers, under torch's names, and with ``tier=``.

>>> import torch
>>> from conceptlab.nn import init
>>> init.ones_(torch.empty(2), tier="naive")
tensor([1., 1.])
"""

import torch.nn.init

from conceptlab.core.surface import Surface

_surface = Surface(__name__, torch.nn.init)
_contents = _surface.contents()
globals().update(_contents)

__all__ = list(_contents)
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
