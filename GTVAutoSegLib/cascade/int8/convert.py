"""The cascade's networks in 8-bit integers, for CPUs that multiply those four at a time.

Batch normalisation is folded into the kernels, which become int8 with a scale for each output channel (Jacob et al.
2018, CVPR, sections 2.1 and 3.2). Activations between convolutions are uint8 with one scale for each tensor, taken from
the ranges that `calibration` has measured. What is not a convolution stays in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks import SANet, SliceClassifier
from ...networks.classifier import averaged
from ...networks.efficientnet import InvertedResidual
from ...networks.resnet import BasicBlock
from ...networks.sanet import POOL_SIZES, PyramidPooling, SpatialAlignment
from .layers import QuantisedConv, conv_of, folded, level, sample, step, to_levels
from .trunks import NotQuantisableError, Ranges, pair, quantised_trunk


def quantise(network: nn.Module, ranges: Ranges) -> nn.Module:
    """The 8-bit form of a network, with the same input and output.

    Args:
        network: float, in evaluation mode, on the CPU.
        ranges: largest activation by point; see `calibration.measure_ranges`.

    Raises:
        NotQuantisableError: there is no 8-bit form of it, or ``ranges`` are those of another network.
    """
    make = QUANTISED.get(type(network))
    if make is None:
        raise NotQuantisableError(f"network {type(network).__name__} has no 8-bit form")
    # Integers have no NaN: what float32 networks show as an error would pass for "no tumour".
    if not all(bool(torch.isfinite(values).all()) for values in network.state_dict().values()):
        raise NotQuantisableError("some weights are no numbers")
    try:
        return make(network, ranges).eval()
    except KeyError as error:
        raise NotQuantisableError(f"the ranges lack {error}; calibrate the model again") from error


class QuantisedClassifier(nn.Module):
    """`SliceClassifier`."""

    def __init__(self, network: Any, ranges: Ranges) -> None:
        super().__init__()
        self.trunk = quantised_trunk(network.trunk, ranges, "trunk")
        self.made = level(self.trunk.made[-1], self.trunk.zero)
        self.head = network.head
        self.shrink = network.shrink

    def forward(self, x: Tensor) -> Tensor:
        """Map float (N, C, H, W) in [0, 1] to logits (N, classes)."""
        # Averaged before it is rounded to 8 bits.
        deepest = self.trunk(averaged(x, self.shrink))[-1].float().mean(dim=(2, 3))
        output: Tensor = self.head((deepest - self.trunk.zero) * self.made)
        return output


class QuantisedPyramid(nn.Module):
    """`PyramidPooling`; the bottleneck's 1 x 1 kernel is split, because it commutes with resizing the pooled maps."""

    def __init__(self, pyramid: Any, taken: float, zero: int, made: float) -> None:
        super().__init__()
        weight, bias = folded(pyramid.bottleneck[0], pyramid.bottleneck[1])
        size = pyramid.branches[0][0].out_channels
        pooled = len(POOL_SIZES) * size
        self.taken, self.zero, self.made = level(taken, zero), zero, step(made)
        self.branches = pyramid.branches
        self.mixes = weight[:, :pooled].split(size, dim=1)
        self.direct = QuantisedConv(conv_of(weight[:, pooled:], bias), None, taken, taken_zero=zero)

    def forward(self, x: Tensor) -> Tensor:
        """Map uint8 (N, in, H, W) to uint8 (N, out, H, W)."""
        total = self.direct(x)
        values = (x.float() - self.zero) * self.taken
        for bins, branch, mix in zip(POOL_SIZES, self.branches, self.mixes):
            pooled = F.conv2d(branch(F.adaptive_avg_pool2d(values, bins)), mix)
            total += F.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=False)
        return to_levels(total / self.made)


class QuantisedAlignment(nn.Module):
    """`SpatialAlignment` and the sum with the fine map after it.

    The convolutions that predict the flow have no activation between them, so each side's two are one.
    """

    def __init__(self, alignment: Any, fine: float, coarse: float, made: float) -> None:
        super().__init__()
        half = alignment.squeeze_fine.out_channels
        flow = alignment.flow.weight
        on_fine = torch.einsum("omyx,mi->oiyx", flow[:, :half], alignment.squeeze_fine.weight[:, :, 0, 0])
        on_coarse = torch.einsum("omyx,mi->yxoi", flow[:, half:], alignment.squeeze_coarse.weight[:, :, 0, 0])
        self.flow = QuantisedConv(conv_of(on_fine, padding=1), None, fine)
        # Resizing comes between the two kernels of the coarse side: products by tap first, then their shifted sum.
        self.products = (on_coarse.reshape(-1, on_coarse.shape[-1], 1, 1) * step(coarse)).contiguous()
        self.shifts = torch.eye(18).view(3, 3, 2, 18).permute(2, 3, 0, 1).contiguous()
        self.fine, self.coarse = step(fine) / step(made), step(coarse) / step(made)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Resample uint8 ``coarse`` (N, C, h, w) onto the grid of ``fine`` (N, C, H, W) and add that; uint8."""
        size = fine.shape[2:]
        values = coarse.float()
        products = F.interpolate(F.conv2d(values, self.products), size=size, mode="bilinear", align_corners=False)
        flow = self.flow(fine) + F.conv2d(products, self.shifts, padding=1)
        return to_levels(sample(values * self.coarse, flow).add_(fine, alpha=self.fine))


class QuantisedSANet(nn.Module):
    """`SANet`."""

    def __init__(self, network: Any, ranges: Ranges) -> None:
        super().__init__()
        plain = isinstance(network.pyramid, PyramidPooling) and isinstance(network.alignments[0], SpatialAlignment)
        if network.compat or not plain:
            raise NotQuantisableError("SANet with compat, or without one of its modules, has no 8-bit form")
        self.encoder = quantised_trunk(network.encoder, ranges, "encoder", fine=True)
        features, zero = self.encoder.made, self.encoder.zero
        sums = [ranges[f"smoothings.{level}.input"] for level in range(3)]
        # What the fusion is given needs one scale.
        fused = max(ranges["pyramid"], *(ranges[f"smoothings.{level}"] for level in range(3)))
        self.pyramid = QuantisedPyramid(network.pyramid, features[3], zero, fused)
        self.laterals, self.alignments, self.smoothings = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for number, (coarse, taken) in enumerate(zip((*sums[1:], fused), features)):
            fine = ranges[f"laterals.{number}"]
            self.laterals.append(
                QuantisedConv(*pair(network.laterals[number]), taken, fine, relu=True, taken_zero=zero)
            )
            self.alignments.append(QuantisedAlignment(network.alignments[number], fine, coarse, sums[number]))
            self.smoothings.append(QuantisedConv(*pair(network.smoothings[number]), sums[number], fused, relu=True))
        self.fusion = QuantisedConv(*pair(network.fusion), fused, ranges["fusion"], relu=True)
        self.head = QuantisedConv(network.head, None, ranges["fusion"])

    def forward(self, x: Tensor) -> Tensor:
        """Map float (N, C, H, W) in [0, 1] to logits (N, classes, H, W)."""
        *shallow, deep = self.encoder(x)
        current = self.pyramid(deep)
        levels = [current]
        for index in (2, 1, 0):
            current = self.alignments[index](self.laterals[index](shallow[index]), current)
            levels.append(self.smoothings[index](current))
        size = levels[-1].shape[2:]
        coarse = [to_levels(F.interpolate(m.float(), size=size, mode="bilinear")) for m in levels[:-1]]
        logits = self.head(self.fusion(torch.cat([levels[-1], *coarse[::-1]], dim=1)))
        return F.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=False)


QUANTISED: dict[type[nn.Module], Callable[..., nn.Module]] = {
    SliceClassifier: QuantisedClassifier,
    SANet: QuantisedSANet,
}


def range_points(network: nn.Module) -> dict[str, tuple[nn.Module, bool]]:
    """Where the ranges that `quantise` needs are measured: name -> (module, whether its input is meant).

    Those are the outputs of everything that ends in an activation, of the shortcuts and blocks, and the sums that
    SANet smooths.
    """
    points = {
        name: (module, False)
        for name, module in network.named_modules()
        if isinstance(module, (nn.Sequential, nn.MaxPool2d, BasicBlock, InvertedResidual, PyramidPooling))
    }
    smoothings = {name: module for name, (module, _) in points.items() if name.startswith("smoothings.")}
    return {**points, **{f"{name}.input": (module, True) for name, module in smoothings.items()}}
