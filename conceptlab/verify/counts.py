"""How many of PyTorch's own samples each concept passes: ``python -m conceptlab.verify.counts [CONCEPT …]``.

A sample is passed if values and gradients are torch's; the checks themselves (`conceptlab.verify.suite`) ask
for more, and stop at what fails.
"""

import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial

import torch

from conceptlab.core import Part, registry
from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import gradients, run
from conceptlab.verify.closeness import NOISE, check_same
from conceptlab.verify.suite.layers import compare_layers
from conceptlab.verify.tally import or_none
from conceptlab.verify.target import tier_of

Count = tuple[int, int]
"""How many are passed, and how many there are."""


def count(part: Part, tier: str) -> Count:
    """The samples of one part: of its ``OpInfo``, or, of a layer, of its ``ModuleInfo``, in training and evaluation."""
    if not part.is_class:
        return _passed(partial(_compare_calls, part, tier), torch_samples.function_samples(part, torch.float64))
    right = total = 0
    for training in (True, False):
        samples = torch_samples.class_samples(part, torch.float64, training=training)
        counted = _passed(partial(compare_layers, tier_of(part, tier), training=training), samples)
        right, total = right + counted[0], total + counted[1]
    return right, total


def _compare_calls(part: Part, tier: str, sample: Sample) -> None:
    ours, theirs = (run(f, sample.args, sample.kwargs) for f in (part.tiers[tier], part.torch))
    check_same(ours.output, theirs.output, "value")
    expected = or_none(lambda: gradients(theirs))
    if expected is not None:
        check_same(gradients(ours), expected, "gradient", noise=NOISE, strides=False)


def _passed(compare: Callable[[Sample], None], samples: Iterable[Sample]) -> Count:
    right = total = 0
    for sample in samples:
        total += 1
        try:
            compare(sample)
        except Exception as error:
            print(f"    {sample.name}: {str(error)[:100]}", file=sys.stderr)
        else:
            right += 1
    return right, total


def main(names: Iterable[str]) -> None:
    """Print a line for each concept of torch.nn and each of its tiers."""
    warnings.simplefilter("ignore")
    print(f"{'concept':16} {'tier':10} {'OpInfo':>14} {'ModuleInfo':>14}")
    for name in names:
        parts = [part for part in registry.parts.values() if part.concept == name and part.home.startswith("torch.nn")]
        for tier in sorted({tier for part in parts for tier in part.tiers} - {"builtin"}):
            cells = []
            for layers in (False, True):
                counts = [count(part, tier) for part in parts if part.is_class == layers and tier in part.tiers]
                cells.append(f"{sum(c[0] for c in counts)} of {sum(c[1] for c in counts)}")
            print(f"{name:16} {tier:10} {cells[0]:>14} {cells[1]:>14}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or registry.concepts)
