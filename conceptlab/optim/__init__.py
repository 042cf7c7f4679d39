"""The optimizers, under torch's names, and with ``tier=``.

>>> import torch
>>> from conceptlab import optim
>>> optimizer = optim.SGD(torch.nn.Linear(4, 3).parameters(), lr=0.1, tier="naive")
>>> optimizer.tier
'naive'

Schedulers are in `conceptlab.optim.lr_scheduler`.
"""

import torch.optim

from conceptlab.core.surface import Surface
from conceptlab.optim import lr_scheduler

_surface = Surface(__name__, torch.optim, passes=("Optimizer",))
_contents = _surface.contents()
globals().update(_contents)

__all__ = ["lr_scheduler", *_contents]
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
