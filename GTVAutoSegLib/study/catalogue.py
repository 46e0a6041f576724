"""Where each network comes from, the size the paper gives it, and what differs from its original."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """One entry.

    Attributes:
        paper: who described it, and when.
        published: millions of parameters in table 2 of Shi et al. 2024; None when it is not there.
        differs: from the original.
    """

    paper: str
    published: float | None
    differs: str


SHARED = "ResNet18 encoder"
DECODER = f"{SHARED}; decoder of segmentation-models-pytorch"

CLASSIFIER_ORIGINS: dict[str, Origin] = {
    "resnet18": Origin("He et al. 2016", None, "dropout 0.2 before the last layer, as in the authors' code"),
    "resnet34": Origin("He et al. 2016", None, "as resnet18"),
    "resnet50": Origin("He et al. 2016", None, "as resnet18; the stride lies in the 3 x 3 convolution"),
    "swin": Origin("Liu et al. 2021", None, "Swin-T of timm; input padded to a multiple of 32; dropout as resnet18"),
    "efficientnet-lite0": Origin(
        "Tan and Le 2019",
        None,
        "without its last group of blocks (320 channels) and head; symmetric padding; its channels do not scale with "
        "the width; dropout as resnet18",
    ),
    "efficientnet-lite0-short": Origin(
        "Tan and Le 2019", None, "as efficientnet-lite0, with one block of 192 channels instead of four"
    ),
}

SEGMENTER_ORIGINS: dict[str, Origin] = {
    "sanet": Origin(
        "Shi et al. 2024",
        12.82,
        "topology of the authors' code, as 12.82 cannot be reached from the paper's description; sampling grid without "
        "the code's half-pixel shift",
    ),
    "sanet-mtl": Origin(
        "Shi et al. 2024",
        12.82,
        "as sanet; head for the slice's label on the deepest features. The loss chosen for the pixels is added to "
        "the binary cross-entropy of the slice; `dice` gives that of the authors' code",
    ),
    "unet": Origin("Ronneberger et al. 2015", 14.32, DECODER),
    "unetpp": Origin("Zhou et al. 2019", 15.97, f"{DECODER}; no deep supervision; input padded to a multiple of 32"),
    "deeplabv3plus": Origin(
        "Chen et al. 2018",
        12.32,
        f"{DECODER}, whose 48 shallow channels do not scale with the width; input padded to a multiple of 16",
    ),
    "att-unet": Origin(
        "Oktay et al. 2018",
        13.81,
        f"{SHARED}; gates at every skip take the upsampled coarse features; batch normalisation; no deep supervision",
    ),
    "res-unet": Origin(
        "Xiao et al. 2018",
        14.58,
        f"{SHARED}, residual blocks in the decoder; without its weighting of the region of interest",
    ),
    "sfnet": Origin(
        "Li et al. 2020",
        12.71,
        f"{SHARED}; flow on sanet's sampling grid, starting at zero; no deep supervision. It is sanet without dilation",
    ),
    "transunet": Origin(
        "Chen et al. 2021",
        105.91,
        "R50-ViT-B/16 from scratch: batch normalisation in the ResNet, where the original has group normalisation and "
        "standardised kernels for its pretraining; positions interpolated from a 32 x 32 grid",
    ),
    "utnet": Origin(
        "Gao et al. 2021",
        10.02,
        "attention at all four levels, 4 heads, keys and values on 8 x 8; position bias by nearest cell; no auxiliary "
        "losses; width 64 is a base of 32 channels",
    ),
}

VOLUME_ORIGINS: dict[str, Origin] = {
    "vnet3d": Origin(
        "Ronneberger et al. 2015",
        12.95,
        "what the authors' code calls V-Net is this 3D U-Net: max-pooling, trilinear upsampling, batch normalisation",
    ),
    "nnunet3d": Origin(
        "Isensee et al. 2021",
        22.24,
        "one of two stages; nnU-Net's plain U-Net from MONAI, 24 to 323 channels, which the paper does not give; no "
        "deep supervision, none of nnU-Net's planning and augmentation",
    ),
    "vbnet3d": Origin(
        "Shi et al. 2022",
        25.88,
        "one of two stages; V-Net with bottlenecks on its two deepest levels; width and ratio, which no paper gives, "
        "are those that make the published size",
    ),
}
