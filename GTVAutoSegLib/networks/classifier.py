"""The slice classifier: an encoder, global average pooling and a linear layer (paper section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn

from .encoders import build_encoder


class SliceClassifier(nn.Module):
    """First network of the cascade: does this axial slice show tumour?

    Args:
        in_channels: channels of the input slice.
        width: channels of the first stage (64 in the paper: 11,171,266 parameters).
        classes: logits per slice; 2 is normal / abnormal.
        dropout: probability before the last layer.
        encoder: one of `ENCODERS`.
    """

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 64,
        classes: int = 2,
        dropout: float = 0.2,
        *,
        encoder: str = "resnet18",
    ) -> None:
        super().__init__()
        self.trunk = build_encoder(encoder, in_channels, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.trunk.channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes)."""
        pooled = self.trunk(x)[-1].mean(dim=(2, 3))
        return self.head(self.dropout(pooled))
