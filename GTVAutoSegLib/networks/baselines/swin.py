"""Swin Transformer as an encoder (Liu et al. 2021; the paper's outlook, section 5)."""

from __future__ import annotations

from torch import Tensor

from ..blocks import Encoder, pad_to_multiple
from ..origin import Origin
from .libraries import baseline_library

HEADS = (3, 6, 12, 24)
# Input size divided by the size of the deepest features.
REDUCTION = 32


class Swin(Encoder):
    """Swin-T trunk of timm without its head, from scratch.

    Args:
        in_channels: channels of the input slice.
        width: 64 makes it Swin-T, whose first stage has 96 channels.
        dilate_last: without effect, as windows of attention know no dilation: the last stage stays at 1/32.
    """

    ORIGIN = Origin(
        "Liu et al. 2021",
        "Swin-T of timm; input padded to a multiple of 32; dropout as resnet18",
    )

    def __init__(self, in_channels: int = 1, width: int = 64, *, dilate_last: bool = False) -> None:  # noqa: ARG002
        super().__init__()
        embedding = HEADS[0] * (width // 2)
        self.channels = tuple(embedding * factor for factor in (1, 2, 4, 8))
        self.trunk = baseline_library("timm.models.swin_transformer").SwinTransformer(
            in_chans=in_channels,
            embed_dim=embedding,
            depths=(2, 2, 6, 2),
            num_heads=HEADS,
            window_size=7,
            num_classes=0,
            strict_img_size=False,
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (N, C, H, W) to the four stages' features, at 1/4, 1/8, 1/16 and 1/32; the last ones are normalised."""
        padded = pad_to_multiple(x, REDUCTION)
        features: list[Tensor] = self.trunk.forward_intermediates(
            padded, norm=True, intermediates_only=True, output_fmt="NCHW"
        )
        return features
