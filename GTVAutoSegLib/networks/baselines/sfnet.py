"""SFNet: semantic flow between the levels of a feature pyramid (Li et al. 2020, ECCV)."""

from __future__ import annotations

from ..origin import Origin
from ..sanet import SANet


class SFNet(SANet):
    """SFNet with a ResNet18 encoder: 12,712,770 parameters at width 64.

    SANet's alignment is SFNet's flow alignment module, its decoder SFNet's; what SANet adds is the dilated last
    stage. The flow is read on SANet's consistent grid, so that the two differ in nothing else.
    """

    ORIGIN = Origin(
        "Li et al. 2020",
        "ResNet18 encoder; flow on sanet's sampling grid, starting at zero; no deep supervision. It is "
        "sanet without dilation",
        published=12.71,
    )

    def __init__(self, in_channels: int = 1, width: int = 64, classes: int = 2) -> None:
        super().__init__(in_channels, width, classes, dilate_last=False)
