"""From the losses of elements to the loss: what all losses share."""

from torch import Tensor

from conceptlab.core import message, warn


def chosen(reduction: str, size_average: bool | None = None, reduce: bool | None = None) -> str:
    """The reduction that is meant, also in torch's old way of saying it.

    Raises:
        ValueError: it is none of the three.
    """
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            message(
                "reduction",
                expected="'none', 'mean' or 'sum'",
                received=f"{reduction}, which is not a valid value for reduction",
                remedy="Choose one of the three.",
            )
        )
    return reduction


def reduced(losses: Tensor, reduction: str, count: Tensor | int | None = None) -> Tensor:
    """The losses, their sum, or their sum by ``count``: the number of elements, unless it is given."""
    if reduction == "none":
        return losses
    if reduction == "mean" and count is None and losses.numel() == 0:
        return losses.mean()  # NaN, with a derivative that is empty
    # sum and division, not mean: the gradient of a sum is a view, that of a mean would be written out
    return losses.sum() / (losses.numel() if count is None else count) if reduction == "mean" else losses.sum()
