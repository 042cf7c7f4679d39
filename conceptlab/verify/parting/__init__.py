r"""Where two models part: the first module whose arithmetic differs, forward or backward.

A wrong number in one layer makes the numbers of all later layers wrong, and rounding grows on its way: it breaks a tie
in a max-pooling, or turns a ReLU's gate. So the two models are not run side by side and compared afterwards. The first
one runs and *leads*: what enters and leaves each call of a module is kept, and in the backward pass what arrives at
each tensor between modules. The second one *follows*: at each of these places its own numbers are noted, and then
overwritten by the leader's. So every module is judged by what it makes of exactly the same inputs, the same upstream
gradients and the same random numbers, and a difference is of the making of the code between two places:

| differs | while | then the code at fault is |
|---|---|---|
| a module's output, or its buffer | its inputs are the same, and what its children return | its own forward |
| a module's input | what was computed before is the same | the forward that calls it |
| the gradient of a parameter or of an input | its output's gradient is the same | its own derivative |
| the gradient of a module's output | those of all modules that take it are the same | the forward that calls it |

Functions that a forward calls between its children (``F.relu``, ``out += identity``) are that forward's.

What counts as a difference is design's first rule, applied to each tensor (`judge`). In float64, with $a$ the leader's
tensor, $b$ the follower's and $s$ the largest number that went in,

$$\max |a - b| \le 10^{-9} \max |a| + 10^{-14} s.$$

The last term is what rounding leaves of sums that cancel: the gradient of a bias before a batch normalization is zero,
and what is computed has no digit that could be compared. In another dtype it is the error ratio, against the first
model in float64, which follows, too.
"""

from conceptlab.verify.parting.finder import first_difference
from conceptlab.verify.parting.result import FirstDifference, Row

__all__ = ["FirstDifference", "Row", "first_difference"]
