r"""Multi-head attention: several attentions side by side, each of which looks at the sequence in a way of its own.

A head projects queries, keys and values to a few features, lets each query look at all keys, and brings back the values
of those that fit; a last projection mixes what the heads have found:

$$ Q_h = q\, W^Q_h + b^Q_h, \quad K_h = k\, W^K_h + b^K_h, \quad V_h = v\, W^V_h + b^V_h $$

$$ A_h = \operatorname{softmax}\!\Bigl( \frac{Q_h K_h^\top}{\sqrt{d}} + M \Bigr), \qquad
   y = \bigl[\, A_1 V_1,\; \dots,\; A_N V_N \,\bigr]\, W^O + b^O $$

| symbol | argument | |
|---|---|---|
| $q, k, v$ | ``query``, ``key``, ``value`` | (L, B, D), (S, B, D or ``kdim``), (S, B, D or ``vdim``) |
| N, $d$ | ``num_heads`` | heads, each with $d = D / N$ of the D = ``embed_dim`` features |
| $W^Q, W^K, W^V$ | ``in_proj_weight`` | one below the other, (3 D, D); head $h$ has the rows from $h d$ on of each |
| | ``q_proj_weight``, ``k_…``, ``v_…`` | instead of it, where ``kdim`` or ``vdim`` is not D |
| $b^Q, b^K, b^V$ | ``in_proj_bias`` | (3 D) |
| $W^O, b^O$ | ``out_proj_weight``, ``out_proj_bias`` | (D, D), (D) |
| $M$ | ``attn_mask`` + ``key_padding_mask`` | (L, S) or (B · N, L, S), and (B, S) |

Without a batch axis the shapes are (L, D) and (S, D), and ``key_padding_mask`` is (S). A layer with ``batch_first``
takes (B, L, D). The result has the shape of ``query``. With ``need_weights`` the $A_h$ come with it: their mean over
the heads, (B, L, S), or with ``average_attn_weights=False`` all of them, (B, N, L, S).

**Masks** of numbers are added; in a mask of booleans True hides, and stands for $-\infty$. (In
``scaled_dot_product_attention`` True means the contrary.) ``is_causal`` says of ``attn_mask`` that it hides what lies
ahead, no more: where no weights and no padding are asked for, the mask is not looked at, and the causal one is used. A
query from which all keys are hidden gets NaN, as the softmax of nothing; without weights it gets 0.

**More keys**, at the end of the sequence and never hidden by a mask: learned ones, ``bias_k`` and ``bias_v`` (a layer
with ``add_bias_kv``), and one of zeros with ``add_zero_attn``: somewhere to look when nothing fits. ``static_k`` and
``static_v`` (B · N, S, d) take the place of the projected keys and values.

**Training:** a share ``dropout_p`` of the $A_h$ is dropped, also in the weights that are returned; the draws are
torch's. **Evaluation:** nothing is. torch's own layer then takes a fused path where no gradient is asked for; ours has
none, and computes the formula. Nested tensors, which only that path knows, are refused: pad, and hide the padding.

**Precision:** as in torch, each step is rounded: the projections, the scores, the softmax, the values brought back.
Under autocast each of them follows its own policy.

**Derivative:** it is a composition, of linear maps, a softmax, products of matrices and a dropout. Their derivatives
are derived where they are taught, and the chain rule puts them together: nothing is left to derive here.

Source: Vaswani et al., *Attention is all you need*, 2017, section 3.2.2, https://arxiv.org/abs/1706.03762.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from conceptlab.core import Composed, Concept, Function, message


class MultiheadAttention(Composed, torch.nn.MultiheadAttention):
    """``num_heads`` attentions side by side, on ``embed_dim`` features.

    >>> attention = MultiheadAttention(8, 2)
    >>> y, weights = attention(torch.ones(5, 1, 8), torch.ones(7, 1, 8), torch.ones(7, 1, 8))
    >>> y.shape, weights.shape, weights.sum(dim=-1)[0, 0].item()
    (torch.Size([5, 1, 8]), torch.Size([1, 5, 7]), 1.0)
    """

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                self.ops.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            self.ops.zeros_(self.in_proj_bias)
            self.ops.zeros_(self.out_proj.bias)
        for row in (self.bias_k, self.bias_v):
            if row is not None:
                self.ops.xavier_normal_(row)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        if query.is_nested or key.is_nested or value.is_nested:
            raise NotImplementedError(
                message(
                    "MultiheadAttention by hand, which has no fast path",
                    expected="padded tensors",
                    received="a NestedTensor",
                    remedy="Use to_padded_tensor(0.0), and hide the padding by key_padding_mask.",
                )
            )
        is_turned = self.batch_first and query.dim() == 3
        if is_turned:
            query, key, value = _time_first(query, key, value)
        output, weights = self.ops.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(0, 1) if is_turned else output), weights


def _time_first(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(L, B, D) from (B, L, D). What was one tensor stays one: it is projected at once."""
    k = key.transpose(0, 1)
    return k if query is key else query.transpose(0, 1), k, k if value is key else value.transpose(0, 1)


CONCEPT = Concept(
    title="attention with several heads",
    home=F,
    functions={"multi_head_attention_forward": Function(autocast="composed")},
    classes={
        MultiheadAttention: ("multi_head_attention_forward", "xavier_uniform_", "xavier_normal_", "zeros_"),
    },
    inside={MultiheadAttention: ("Linear",)},
)
