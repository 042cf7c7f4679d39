r"""Attention: each query looks for the keys that are like it, and receives a mean of their values.

$$ y_n = \sum_i P_{ni}\, v_i, \qquad P_{ni} = \frac{e^{Z_{ni}}}{\sum_j e^{Z_{nj}}}, \qquad
   Z_{ni} = s\, q_n \cdot k_i + b_{ni} $$

The scalar product of a query and a key is their likeness. The softmax makes weights of a row of likenesses, and the
weights of each query add up to 1. Nothing in it knows in which order keys come: that is for positions to tell.

| symbol | argument | |
|---|---|---|
| $q$ | ``query`` | (\*, H, L, E): L queries in each of H heads |
| $k$ | ``key`` | (\*, H, S, E): S keys |
| $v$ | ``value`` | (\*, H, S, Ev): a value for each key; the result is (\*, H, L, Ev) |
| $b$ | ``attn_mask`` | broadcasts to (\*, H, L, S): numbers that are added, or booleans, of which False is $-\infty$ |
| $s$ | ``scale`` | $1 / \sqrt{E}$ by default: scores of independent numbers of variance 1 then have variance 1 |

The leading axes are any number, none included, and broadcast. ``is_causal`` hides from query $n$ all keys $i > n$,
counted from the first of each also where L and S differ. ``enable_gqa`` lets groups of heads share their keys and
values, of which there are then H', a divisor of H.

A query from which all keys are hidden receives zeros. ``dropout_p`` drops weights with that probability, *whenever it
is not 0*: it is the caller who knows whether this is training. On a CPU its draws are torch's.

Three tiers differ in what they keep. ``naive`` is the definition, a query at a time. ``textbook`` computes the L × S
scores of each head at once and keeps the weights for the backward pass. ``handmade`` goes from one block of keys to the
next and keeps two numbers for each query: its memory grows with L + S and not with L · S, but for dropout, whose draws
are one stream and are kept in a byte each. Where derivatives are to be differentiated again, it has the L × S weights,
too.

Half precision is computed in float32 and rounded once. Under autocast everything runs in the lower precision. Nested
tensors are refused.

torch's ``MultiheadAttention`` and its encoder layers have a fused fast path through all of it, in evaluation without
gradients, which calls no function that could be answered. ``conceptlab.swap`` leaves that path, and says so.

Sources: Vaswani et al., *Attention is all you need*, 2017, https://arxiv.org/abs/1706.03762; Milakov, Gimelshein,
*Online normalizer calculation for softmax*, 2018, https://arxiv.org/abs/1805.02867; Rabe, Staats, *Self-attention does
not need O(n²) memory*, 2021, https://arxiv.org/abs/2112.05682; Dao et al., *FlashAttention*, 2022,
https://arxiv.org/abs/2205.14135; Ainslie et al., *GQA*, 2023, https://arxiv.org/abs/2305.13245 (grouped queries).
"""

import torch.nn.functional as F

from conceptlab.core import Concept, Function

CONCEPT = Concept(
    title="attention",
    home=F,
    functions={"scaled_dot_product_attention": Function(autocast="lower")},
)
