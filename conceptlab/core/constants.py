"""Numbers that several concepts need."""

import math

LOG2_E = math.log2(math.e)
"""log₂ e. Handmade code computes eˣ as 2 to the power of x log₂ e, which torch does in a third of the time."""
