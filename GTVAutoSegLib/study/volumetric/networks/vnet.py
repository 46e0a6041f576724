"""The paper's "3D V-Net" (table 2), which in the authors' code is a 3D U-Net (Ronneberger et al. 2015, in 3D)."""

from __future__ import annotations

from torch import Tensor, nn

from ....networks.origin import Origin
from .base import VolumeNetwork, double_conv, initialise, upsampled


class VNet3D(VolumeNetwork):
    """3D U-Net: max-pooling, trilinear upsampling, batch normalisation.

    The deepest level has as many channels as the one above, since upsampling without weights does not halve them.

    Args:
        in_channels: channels of the input.
        width: channels of the first level (32 in the paper: 12,946,818 parameters).
        classes: logits per voxel.
    """

    ORIGIN = Origin(
        "Ronneberger et al. 2015",
        "what the authors' code calls V-Net is this 3D U-Net: max-pooling, trilinear upsampling, batch normalisation",
        published=12.95,
    )

    def __init__(self, in_channels: int = 1, width: int = 32, classes: int = 2) -> None:
        super().__init__()
        channels = [width, 2 * width, 4 * width, 8 * width, 8 * width]
        inputs = [in_channels, *channels[:-1]]
        self.down = nn.ModuleList([double_conv(i, o, o) for i, o in zip(inputs, channels)])
        self.pool = nn.MaxPool3d(2)
        outputs = [4 * width, 2 * width, width, width]
        joined = [16 * width, 8 * width, 4 * width, 2 * width]
        self.up = nn.ModuleList([double_conv(i, i // 2, o) for i, o in zip(joined, outputs)])
        self.head = nn.Conv3d(width, classes, 1)
        initialise(self)

    def logits(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits; every side is a multiple of 16."""
        features: list[Tensor] = []
        for block in self.down:
            x = block(self.pool(x) if features else x)
            features.append(x)
        for block, skip in zip(self.up, features[-2::-1]):
            x = block(upsampled(x, skip))
        output: Tensor = self.head(x)
        return output
