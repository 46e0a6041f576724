"""One stage of the paper's nnU-Net cascade (Isensee et al. 2021), from MONAI."""

from __future__ import annotations

from torch import Tensor, nn

from ....errors import ModelError
from ....networks.origin import Origin
from .base import LEVELS, VolumeNetwork


class NNUNet3D(VolumeNetwork):
    """nnU-Net's plain 3D U-Net: strided convolutions, instance normalisation, leaky ReLU.

    Table 2 gives 22.24 million parameters for both stages and no widths. nnU-Net doubles the channels from level to
    level up to 320; from 24 on five levels that is 22.11 million, 0.6 % less, and a limit of 323 makes it 22.25. There
    is no deep supervision: every system is trained with the same loss on its final map.

    Args:
        in_channels: channels of the input.
        width: channels of the first level (24: 11,126,713 parameters).
        classes: logits per voxel.
        most: channels of a level at most.

    Raises:
        ModelError: MONAI is not installed.
    """

    ORIGIN = Origin(
        "Isensee et al. 2021",
        "one of two stages; nnU-Net's plain U-Net from MONAI, 24 to 323 channels, which the paper does not "
        "give; no deep supervision, none of nnU-Net's planning and augmentation",
        published=22.24,
    )

    def __init__(self, in_channels: int = 1, width: int = 24, classes: int = 2, most: int = 323) -> None:
        super().__init__()
        try:
            from monai.networks.nets.dynunet import DynUNet
        except ImportError as error:
            raise ModelError(
                f"it needs monai, which cannot be imported ({error}); run: pip install 'gtvautoseg[baselines]'"
            ) from error
        network = DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=classes,
            kernel_size=[3] * LEVELS,
            strides=[1] + [2] * (LEVELS - 1),
            upsample_kernel_size=[2] * (LEVELS - 1),
            filters=[min(most, width * 2**level) for level in range(LEVELS)],
            norm_name=("INSTANCE", {"affine": True}),
        )
        # Its parts and not itself: it names each of its tensors twice, which a file of weights cannot.
        self.down = nn.ModuleList([network.input_block, *network.downsamples, network.bottleneck])
        self.up = network.upsamples
        self.head = network.output_block

    def logits(self, x: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits; every side is a multiple of 16."""
        features: list[Tensor] = []
        for block in self.down:
            x = block(x)
            features.append(x)
        for block, skip in zip(self.up, features[-2::-1]):
            x = block(x, skip)
        output: Tensor = self.head(x)
        return output
