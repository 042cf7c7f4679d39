"""For Lightning: `SwapParts`, a callback that swaps the parts of anybody's LightningModule."""

from conceptlab.swapping.callback import SwapParts

__all__ = ["SwapParts"]
