"""Networks of a ResNet18 encoder and a decoder up to full size: U-Net, U-Net++ and DeepLabV3+ of a library.

The decoders are those of segmentation-models-pytorch at its defaults; the encoder is the one every system here has,
so that all of them take any number of channels, and a width that scales encoder and decoder alike.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..blocks import initialise_decoder, initialise_head, pad_to_multiple, resize
from ..origin import Origin
from ..resnet import ResNet
from .libraries import baseline_library


class EncoderDecoder(nn.Module):
    """ResNet18, a decoder and a last convolution.

    Args:
        encoder: trunk whose ``levels`` give five feature maps.
        decoder: called with the list of the input and the encoder's five feature maps, finest first.
        channels: of what the decoder returns.
        classes: logits per pixel.
        kernel: of the last convolution.
        multiple: the input is padded to a multiple of this many pixels, which the decoder needs.
    """

    def __init__(
        self, encoder: ResNet, decoder: nn.Module, channels: int, classes: int, *, kernel: int = 1, multiple: int = 1
    ) -> None:
        super().__init__()
        self.multiple = multiple
        self.encoder = encoder
        self.decoder = decoder
        self.head = nn.Conv2d(channels, classes, kernel, padding=kernel // 2)
        initialise_decoder([decoder])
        initialise_head(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to logits (N, classes, H, W); any H and W."""
        padded = pad_to_multiple(x, self.multiple)
        logits = self.head(self.decoder([padded, *self.encoder.levels(padded)]))
        return resize(logits, padded.shape[2:])[:, :, : x.shape[2], : x.shape[3]]


def level_channels(encoder: ResNet, in_channels: int) -> tuple[int, ...]:
    """Channels of the input and of the encoder's five levels, finest first."""
    return (in_channels, encoder.stem_channels, *encoder.channels)


def decoder_channels(width: int) -> tuple[int, ...]:
    """Channels of the five decoder steps from 1/16 to full size: 256 to 16 at width 64."""
    return tuple(max(1, 4 * width // 2**step) for step in range(5))


def join_channels(encoder: ResNet, steps: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Coarse, fine and resulting channels of each join of a `skips.SkipDecoder` over this encoder, coarsest first."""
    coarse = (encoder.channels[-1], *steps)
    fine = (*encoder.channels[-2::-1], encoder.stem_channels)
    return list(zip(coarse, fine, steps))


class UNet(EncoderDecoder):
    """U-Net (Ronneberger et al. 2015) on ResNet18: 14,322,082 parameters at width 64 and one channel."""

    ORIGIN = Origin(
        "Ronneberger et al. 2015",
        "ResNet18 encoder; decoder of segmentation-models-pytorch",
        published=14.32,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        encoder, steps = ResNet(in_channels, width), decoder_channels(width)
        library = baseline_library("segmentation_models_pytorch.decoders.unet.decoder")
        decoder = library.UnetDecoder(level_channels(encoder, in_channels), steps)
        super().__init__(encoder, decoder, steps[-1], classes, kernel=3)


class UNetPlusPlus(EncoderDecoder):
    """U-Net++ (Zhou et al. 2019) on ResNet18, without deep supervision: 15,964,322 parameters at width 64."""

    ORIGIN = Origin(
        "Zhou et al. 2019",
        "ResNet18 encoder; decoder of segmentation-models-pytorch; no deep supervision; input padded to a "
        "multiple of 32",
        published=15.97,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        encoder, steps = ResNet(in_channels, width), decoder_channels(width)
        library = baseline_library("segmentation_models_pytorch.decoders.unetplusplus.decoder")
        decoder = library.UnetPlusPlusDecoder(level_channels(encoder, in_channels), steps)
        super().__init__(encoder, decoder, steps[-1], classes, kernel=3, multiple=32)


class DeepLabV3Plus(EncoderDecoder):
    """DeepLabV3+ (Chen et al. 2018) on ResNet18 with output stride 16: 12,323,282 parameters at width 64.

    The 48 channels of its shallow features do not scale with the width.
    """

    ORIGIN = Origin(
        "Chen et al. 2018",
        "ResNet18 encoder; decoder of segmentation-models-pytorch, whose 48 shallow channels do not scale "
        "with the width; input padded to a multiple of 16",
        published=12.32,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        encoder = ResNet(in_channels, width, dilate_last=True)
        library = baseline_library("segmentation_models_pytorch.decoders.deeplabv3.decoder")
        decoder = library.DeepLabV3PlusDecoder(
            encoder_channels=level_channels(encoder, in_channels),
            encoder_depth=5,
            out_channels=4 * width,
            atrous_rates=(12, 24, 36),
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=0.5,
        )
        super().__init__(encoder, decoder, 4 * width, classes, multiple=16)
