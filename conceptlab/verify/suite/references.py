"""Values against PyTorch's independent references, which are made of NumPy or written out."""

from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from conceptlab.core.samples import Sample
from conceptlab.verify import torch_samples
from conceptlab.verify.calls import Outcome
from conceptlab.verify.closeness import Mismatch, check_same
from conceptlab.verify.outcomes import callable_of, few, outcome
from conceptlab.verify.tally import NotApplicable, Tally, each, of_torch
from conceptlab.verify.target import Target


def reference(target: Target) -> Tally:
    """Values as those of a formula that has nothing of torch's own, where PyTorch's tests have one."""
    known = torch_samples.references(target.part)

    def compare(sample: Sample) -> None:
        formula = next(formula for other, formula in known if other is sample)
        module = of_torch(lambda: callable_of(target, sample, theirs=True))
        expected = of_torch(lambda: formula(module), "the reference refuses it")
        theirs = of_torch(lambda: outcome(target, sample, theirs=True))
        try:
            check_same(_detached(theirs), expected, "torch's own", strides=False)
        except Mismatch as error:
            raise NotApplicable("torch's own is not the reference's") from error
        check_same(_detached(outcome(target, sample)), expected, "value", strides=False)

    return each(few((sample for sample, _ in known), 20), compare)


def _detached(result: Outcome) -> Any:
    return tree_map(lambda y: y.detach() if isinstance(y, Tensor) else y, result.output)
