"""Layers one after another: an encoder, a decoder, and both."""

import torch
from torch import Tensor

from conceptlab.concepts.transformer._masks import is_causal_mask, refuse_nested
from conceptlab.core import Composed, message


class TransformerEncoder(Composed, torch.nn.TransformerEncoder):
    """``num_layers`` copies of ``encoder_layer``, one after another, then ``norm``.

    >>> layer = torch.nn.TransformerEncoderLayer(4, 2, batch_first=True)
    >>> encoder = TransformerEncoder(layer, 3)
    >>> encoder(torch.ones(1, 5, 4)).shape, encoder.layers[2].tier
    (torch.Size([1, 5, 4]), 'handmade')
    """

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        refuse_nested(self, src)
        is_causal = is_causal_mask(mask, is_causal, src, self.layers[0].self_attn.batch_first)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Composed, torch.nn.TransformerDecoder):
    """``num_layers`` copies of ``decoder_layer``, one after another, then ``norm``; all look at the same ``memory``.

    >>> decoder = TransformerDecoder(torch.nn.TransformerDecoderLayer(4, 2), 3)
    >>> decoder(torch.ones(5, 1, 4), torch.ones(2, 1, 4)).shape
    torch.Size([5, 1, 4])
    """

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        refuse_nested(self, tgt, memory)
        tgt_is_causal = is_causal_mask(tgt_mask, tgt_is_causal, tgt, self.layers[0].self_attn.batch_first)
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Composed, torch.nn.Transformer):
    """An encoder of ``src``, and a decoder of ``tgt`` that looks at its result.

    >>> model = Transformer(4, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=8, batch_first=True)
    >>> model(torch.ones(1, 5, 4), torch.ones(1, 3, 4)).shape
    torch.Size([1, 3, 4])
    """

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                self.ops.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        refuse_nested(self, src, tgt)
        self._refuse_unfit(src, tgt)
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    def _refuse_unfit(self, src: Tensor, tgt: Tensor) -> None:
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                message(
                    "Transformer",
                    expected="the batch number of src and tgt to be equal",
                    received=f"{src.shape[batch]} and {tgt.shape[batch]}, on axis {batch}",
                    remedy=f"The batch is axis {batch} with batch_first={self.batch_first}.",
                )
            )
        if (src.shape[-1], tgt.shape[-1]) != (self.d_model, self.d_model):
            raise RuntimeError(
                message(
                    "Transformer",
                    expected=f"the feature number of src and tgt to be equal to d_model, {self.d_model}",
                    received=f"{src.shape[-1]} and {tgt.shape[-1]}",
                    remedy="The last axis has the features.",
                )
            )
