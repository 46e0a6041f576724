"""The slice classifier: an encoder, global average pooling and a linear layer (paper section 3.1)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .encoders import build_encoder


class SliceClassifier(nn.Module):
    """First network of the cascade: does this axial slice show tumour?

    Args:
        in_channels: channels of the input slice.
        width: channels of the first stage (64 in the paper: 11,171,266 parameters).
        classes: logits per slice; 2 is normal / abnormal.
        dropout: probability before the last layer.
        encoder: one of `ENCODERS`.
        shrink: side of the squares of pixels that are averaged before the encoder sees the slice; 2 leaves a quarter of
            the operations, and the parameters are the same.

    Raises:
        ValueError: ``shrink`` is no whole number from 1 upwards.
    """

    def __init__(
        self,
        in_channels: int = 1,
        width: int = 64,
        classes: int = 2,
        dropout: float = 0.2,
        *,
        encoder: str = "resnet18",
        shrink: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(shrink, int) or shrink < 1:
            raise ValueError(f"shrink is {shrink!r}, expected a whole number from 1 upwards")
        self.shrink = shrink
        self.trunk = build_encoder(encoder, in_channels, width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.trunk.channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes)."""
        pooled = self.trunk(averaged(x, self.shrink))[-1].mean(dim=(2, 3))
        output: Tensor = self.head(self.dropout(pooled))
        return output


def averaged(x: Tensor, shrink: int) -> Tensor:
    """Mean over squares of ``shrink`` pixels of (N, C, H, W); at the lower and right edge over what is left of one."""
    return x if shrink == 1 else F.avg_pool2d(x, shrink, ceil_mode=True)
