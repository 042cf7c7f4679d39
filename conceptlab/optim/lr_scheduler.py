"""The learning-rate schedulers, under torch's names, and with ``tier=``.

>>> import torch
>>> from conceptlab.optim import lr_scheduler
>>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
>>> lr_scheduler.StepLR(optimizer, step_size=10, tier="naive").tier
'naive'
"""

import torch.optim.lr_scheduler

from conceptlab.core.surface import Surface

_surface = Surface(__name__, torch.optim.lr_scheduler, passes=("LRScheduler",))
_contents = _surface.contents()
globals().update(_contents)

__all__ = list(_contents)
__getattr__ = _surface.get


def __dir__() -> list[str]:
    return __all__
