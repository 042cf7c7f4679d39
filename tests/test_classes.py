"""Every layer of every concept, in every tier, against torch's own: `pytest -k "Conv2d and handmade"`."""

import pytest

from conceptlab.core import registry
from conceptlab.verify.target import Target
from tests.cases import cases

QUICK = {"constructed", "behaviour"}
MANY_SAMPLES = {
    *("CrossEntropyLoss", "MultiheadAttention", "Transformer", "TransformerEncoder", "TransformerDecoder"),
    *("TransformerEncoderLayer", "TransformerDecoderLayer", "RNN", "LSTM", "GRU"),
}
OF_FUNCTIONS = {
    *("cancellation", "reference", "overwritten", "tiny_inputs", "extremes", "expanded_inputs", "complex_numbers"),
    *("law_of_the_draw", "gradcheck", "func_grad", "gradgradcheck", "saved_memory", "flat_memory", "compiled_once"),
}
"""What a layer hands on to its functions and to the layers inside, which `make test` asks; `make verify` asks all."""
LAYERS = [part for part in registry.parts.values() if Target(part, part.torch).kind == "layer"]


@pytest.mark.parametrize(
    "check",
    [
        case
        for part in LAYERS
        for case in cases(part, quick=() if part.name in MANY_SAMPLES else QUICK, complete=OF_FUNCTIONS)
    ],
)
def test_class(check):
    check()
