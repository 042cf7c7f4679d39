"""A definition, the tier naive, refuses less than torch does. What it refuses by itself it refuses as torch does."""

import pytest
import torch

from conceptlab.concepts.interpolation.samples import HAS_LANCZOS
from conceptlab.core import registry

ROWS, IMAGES = torch.ones(2, 3, 4), torch.ones(2, 3, 4, 4)
HEADS = {"query": ROWS, "key": ROWS, "value": ROWS}
ATTENTION = torch.nn.MultiheadAttention(4, 2)
WEIGHTS = {
    "in_proj_weight": ATTENTION.in_proj_weight,
    "in_proj_bias": ATTENTION.in_proj_bias,
    "out_proj_weight": ATTENTION.out_proj.weight,
    "out_proj_bias": ATTENTION.out_proj.bias,
    **{"bias_k": None, "bias_v": None, "add_zero_attn": False, "dropout_p": 0.0, "num_heads": 2},
}

REFUSED = [
    ("scaled_dot_product_attention", {**HEADS, "dropout_p": 1.5}),
    ("scaled_dot_product_attention", {**HEADS, "attn_mask": torch.ones(3, 3), "is_causal": True}),
    ("multi_head_attention_forward", {**HEADS, **WEIGHTS, "embed_dim_to_check": 5}),
    ("conv_transpose1d", {"input": ROWS, "weight": torch.ones(3, 2, 2), "output_padding": 1}),
    ("conv_transpose1d", {"input": ROWS, "weight": torch.ones(2, 2, 2)}),
    ("celu", {"input": ROWS, "alpha": 0.0}),
    ("glu", {"input": torch.ones(())}),
    ("glu", {"input": ROWS, "dim": 1}),
    ("interpolate", {"input": IMAGES, "size": 0}),
    ("interpolate", {"input": IMAGES, "size": 2, "align_corners": True}),
    ("interpolate", {"input": IMAGES}),
    ("interpolate", {"input": IMAGES, "size": (2, 2, 2)}),
    ("interpolate", {"input": IMAGES, "size": 2.5}),
    ("interpolate", {"input": IMAGES, "size": 2, "antialias": True}),
    ("interpolate", {"input": IMAGES, "size": 2, "mode": "linear"}),
]
if HAS_LANCZOS:
    REFUSED.append(("interpolate", {"input": IMAGES, "size": 2, "mode": "lanczos"}))


@pytest.mark.parametrize(("part", "call"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_definition_refuses_it_refuses_as_torch(part, call):
    with pytest.raises(Exception) as torchs:  # noqa: PT011  (torch says which)
        registry.parts[part].torch(**call)
    with pytest.raises(torchs.type) as refusal:
        registry.parts[part].tiers["naive"](**call)
    assert "naive" in str(refusal.traceback[-1].path)
