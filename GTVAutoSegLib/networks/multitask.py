"""SANet with a second task: whether the slice shows tumour at all (paper, table 2, "SANet + MTL")."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from .blocks import initialise_head
from .origin import Origin
from .sanet import SANet


class PixelsAndSlice(NamedTuple):
    """What a network with two tasks returns in training mode.

    Attributes:
        pixels: logits (N, classes, H, W).
        slices: logit (N,) of the slice showing tumour.
    """

    pixels: Tensor
    slices: Tensor


class MultiTaskSANet(SANet):
    """SANet whose encoder also learns the slice's label: 12,713,283 parameters at width 64.

    The second head serves training only: in evaluation mode the logits of the pixels are all that is returned.
    ``dropout`` is the probability before the slice's linear layer.
    """

    ORIGIN = Origin(
        "Shi et al. 2024",
        "as sanet; head for the slice's label on the deepest features. The loss chosen for the pixels is "
        "added to the binary cross-entropy of the slice; `dice` gives that of the authors' code",
        published=12.82,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2, dropout: float = 0.2) -> None:
        super().__init__(in_channels, width, classes)
        self.slice_dropout = nn.Dropout(dropout)
        self.slice_head = nn.Linear(self.encoder.channels[-1], 1)
        initialise_head(self.slice_head)

    def forward(self, x: Tensor) -> Tensor | PixelsAndSlice:  # type: ignore[override]
        """Map (N, C, H, W) to logits (N, classes, H, W), in training mode with the slices' logits."""
        features = self.encoder(x)
        pixels = self.decode(features, x.shape[2:])
        if not self.training:
            return pixels
        return PixelsAndSlice(pixels, self.slice_head(self.slice_dropout(features[-1].mean(dim=(2, 3)))).flatten())
