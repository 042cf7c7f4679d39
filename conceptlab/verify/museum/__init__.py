"""A museum of defects that were published, each in a class or function of its own: what `verify` has to find.

Everything here is wrong on purpose, in one way, and written from the description of the defect.
"""

from dataclasses import dataclass
from typing import Any

from conceptlab.verify.museum import accumulation, activations, normalization, optimizers, probabilities, windows


@dataclass(frozen=True)
class Piece:
    """One defect.

    Attributes:
        implementation: the class or function that has it.
        like: torch's name of what it should have been.
        words: what the cause that is named has to say.
    """

    implementation: Any
    like: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return self.implementation.__name__


PIECES: tuple[Piece, ...] = (
    Piece(normalization.BiasedRunningVariance, "BatchNorm2d", ("biased variance", "running_var")),
    Piece(normalization.StatisticsWithoutGradient, "BatchNorm2d", ("statistics", "no_grad")),
    Piece(normalization.StatisticsNoBuffers, "BatchNorm2d", ("running_mean", "register_buffer")),
    Piece(normalization.ModeFromGradEnabled, "BatchNorm2d", ("is_grad_enabled", "self.training")),
    Piece(normalization.VarianceByDifference, "BatchNorm2d", ("cancellation", "E[x²] − E[x]²")),
    Piece(normalization.batch_norm_by_difference, "batch_norm", ("cancellation", "E[x²] − E[x]²")),
    Piece(normalization.StatisticsKeepTheGraph, "BatchNorm2d", ("graph", "detach")),
    Piece(probabilities.diagonal_softmax, "softmax", ("diagonal", "Jacobian")),
    Piece(probabilities.overflowing_softmax, "softmax", ("overflow", "maximum")),
    Piece(probabilities.overflowing_cross_entropy, "cross_entropy", ("overflow", "maximum")),
    Piece(probabilities.underflowing_cross_entropy, "cross_entropy", ("underflow", "logarithm")),
    Piece(activations.relu_zero_at_nan, "relu", ("NaN",)),
    Piece(activations.relu_overwriting_saved, "relu", ("in place", "saved")),
    Piece(activations.silu_overwriting_saved, "silu", ("in place", "saved")),
    Piece(activations.relu_overwriting_input, "relu", ("in place", "input")),
    Piece(activations.silu_saving_the_sigmoid, "silu", ("intermediate", "second derivative")),
    Piece(activations.dropout_without_rescaling, "dropout", ("1 − p",)),
    Piece(activations.dropout_with_a_fresh_mask, "dropout", ("mask", "backward")),
    Piece(windows.conv2d_deaf_to_dilation, "conv2d", ("dilation",)),
    Piece(windows.conv2d_with_mixed_groups, "conv2d", ("groups",)),
    Piece(windows.conv2d_sample_by_sample, "conv2d", ("empty batch",)),
    Piece(windows.max_pool2d_last_index, "max_pool2d", ("equal", "first")),
    Piece(windows.max_pool2d_assigning, "max_pool2d", ("assigned", "added up")),
    Piece(windows.pad_with_swapped_sides, "pad", ("swapped", "pad")),
    Piece(accumulation.LinearAssigningItsGradient, "Linear", ("accumulate", "weight")),
    Piece(optimizers.AdamWithoutPower, "Adam", ("power",)),
    Piece(optimizers.AdamEpsInsideRoot, "Adam", ("eps", "root")),
    Piece(optimizers.AdamWithDecoupledDecay, "Adam", ("weight decay", "AdamW")),
)
"""All of them."""
