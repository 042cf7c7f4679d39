r"""The Transformer: attention and a small network for each word, in turn, layer upon layer.

A **block** adds to each word $x_t$ what a sublayer $f$ has to say of it; the sum goes through layer normalization, or
(``norm_first``) what is handed to $f$ does. The first is the original's, the second is easier to train when deep:

$$ x \leftarrow \operatorname{LN}(x + \operatorname{drop} f(x)) \qquad \text{or} \qquad
   x \leftarrow x + \operatorname{drop} f(\operatorname{LN}(x)) $$

| sublayer | $f(x)$ |
|---|---|
| self-attention | ``self_attn(x, x, x)``: each word looks at all the others, but for those that a mask hides |
| cross-attention | ``multihead_attn(x, m, m)``: each word looks at the other sequence, $m$ = ``memory`` |
| feed-forward | ``linear2``(drop(``activation``(``linear1`` $(x)$))), each word by itself |

| class | what it is |
|---|---|
| ``TransformerEncoderLayer`` | the blocks self-attention, feed-forward |
| ``TransformerDecoderLayer`` | the blocks self-attention, cross-attention, feed-forward |
| ``TransformerEncoder``, ``TransformerDecoder`` | ``num_layers`` copies of a layer, one after another, and a ``norm`` |
| ``Transformer`` | an encoder, and a decoder that looks at its result |

Shapes: ``src`` and ``memory`` (S, B, D), ``tgt`` (L, B, D), with D = ``d_model``; (B, S, D) and (B, L, D) with
``batch_first``; without a batch (S, D) and (L, D). The result has the shape of ``src``, or of ``tgt`` where there is
one. Masks are those of `MultiheadAttention`: ``…_mask`` of pairs, ``…_key_padding_mask`` of words, True hides.

**Causal masks.** ``is_causal`` is a hint that a mask hides what lies ahead; attention may then do without looking at
it. Where a stack of layers is not told (None), it compares the mask with the causal one. That waits for the device, so
that compiled code, which cannot wait, takes the mask as it is: the result is the same.

**Training:** ``dropout`` acts on the weights of attention, within the feed-forward network and on what a sublayer
returns. **Evaluation:** it does not. torch's own layers then take a fused path where no gradient is asked for, past the
layers inside; ours has none, and calls them, with their hooks. For the same reason ``enable_nested_tensor`` has no
effect: torch's encoder leaves out the padding on that path and returns zeros for it, ours computes it, as torch's does
in training. Nested tensors are refused: pad, and hide the padding by a mask.

**What is inside** is made by torch's constructor and is of the layer's tier; what the constructor is handed (a norm, a
custom encoder) stays as it is, but for the copies of a layer that a stack is made of, which become conceptlab's where
they were torch's. Nothing else is computed here but sums: all tiers share these files, and derivatives are those of the
layers inside.

Sources: Vaswani et al., *Attention is all you need*, 2017, https://arxiv.org/abs/1706.03762; Xiong et al., *On layer
normalization in the Transformer architecture*, 2020, https://arxiv.org/abs/2002.04745 (``norm_first``).
"""

import torch.nn.functional as F

from conceptlab.concepts.transformer._layers import TransformerDecoderLayer, TransformerEncoderLayer
from conceptlab.concepts.transformer._stacks import Transformer, TransformerDecoder, TransformerEncoder
from conceptlab.core import Concept

_LAYERS = ("MultiheadAttention", "Linear", "Dropout", "LayerNorm")

CONCEPT = Concept(
    title="the Transformer",
    home=F,
    functions={},
    classes={
        TransformerEncoderLayer: (),
        TransformerDecoderLayer: (),
        TransformerEncoder: (),
        TransformerDecoder: (),
        Transformer: "xavier_uniform_",
    },
    inside={
        TransformerEncoderLayer: _LAYERS,
        TransformerDecoderLayer: _LAYERS,
        TransformerEncoder: ("TransformerEncoderLayer",),
        TransformerDecoder: ("TransformerDecoderLayer",),
        Transformer: ("TransformerEncoder", "TransformerDecoder", "LayerNorm"),
    },
)
