"""Arithmetic of 8-bit networks: convolution in integers, rounding, pooling and sampling.

Values are uint8 (N, C, H, W) with channels last; a level is worth `step` of the tensor's largest value, and 0 is 0.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 255
LARGEST_WEIGHT = 127
# The level that stands for 0 in tensors without ReLU, whose values lie on both sides of 0.
MIDDLE = 128


NO_INSTRUCTIONS = "this processor has no AVX512-VNNI"


def missing_support() -> str:
    """Why this machine cannot run 8-bit networks fast and exactly; "" when it can.

    They need AVX512-VNNI, and the operators ``qconv_prepack`` and ``qconv2d_pointwise`` of ``torch.ops.onednn``. Those
    are not part of PyTorch's public interface: whether they are there and right is tried on two small convolutions.
    """
    # Without these instructions the kernels are slower than float32, and sums of products can overflow.
    if not getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
        return NO_INSTRUCTIONS
    try:
        return "" if _largest_sum_is_exact() and _agrees_with_float() else "PyTorch's 8-bit convolution is wrong here"
    except (RuntimeError, AttributeError, TypeError, NotImplementedError) as error:
        return f"this PyTorch has no 8-bit convolution ({str(error).splitlines()[0]})"


def _largest_sum_is_exact() -> bool:
    """The largest products that occur, summed: 9 * 16 * 255 * 127."""
    images = torch.full((1, 16, 4, 4), LEVELS, dtype=torch.uint8)
    found = QuantisedConv(conv_of(torch.ones(1, 16, 3, 3)), None, 1.0)(images)
    return bool(torch.allclose(found, torch.tensor(144.0), rtol=1e-5))


def _agrees_with_float() -> bool:
    """Kernels of both signs, a shortcut, ReLU, and a result in 8 bits, against float32."""
    count = 16 * 16 * 9
    conv = conv_of(torch.linspace(-1, 1, count)[torch.arange(count) * 7 % count].view(16, 16, 3, 3) / 16)
    images = (torch.arange(16 * 64) * 37 % (LEVELS + 1)).view(1, 16, 8, 8).to(torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    expected = torch.relu(F.conv2d(images * step(1.0), conv.weight) + images[:, :, 1:-1, 1:-1] * step(1.0))
    largest = float(expected.max())
    shortcut = images[:, :, 1:-1, 1:-1].contiguous(memory_format=torch.channels_last)
    found = QuantisedConv(conv, None, 1.0, largest, relu=True, added=1.0)(images, shortcut)
    return bool((found * step(largest) - expected).abs().max() < 0.02 * largest)


def conv_of(weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> nn.Conv2d:
    """A convolution with these numbers; none is drawn, so that loading a model leaves random numbers alone."""
    outputs, inputs, height, width = weight.shape
    conv = nn.Conv2d(inputs, outputs, (height, width), padding=padding, bias=False, device="meta")
    conv.weight = nn.Parameter(weight, requires_grad=False)
    conv.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return conv


class QuantisedConv(nn.Module):
    """Convolution of uint8 activations, with bias, and optionally ReLU and the sum with a shortcut.

    Args:
        conv: float convolution.
        norm: batch normalisation after it, if any.
        taken: largest activation it is given.
        made: largest activation it gives; None for a float32 result.
        relu: apply one; a uint8 result without it is stored around `MIDDLE`.
        added: largest activation of the shortcut that `forward` is given.
        added_zero: the number that stands for 0 in it.
        taken_zero: the number that stands for 0 in its input; other than 0 for 1 x 1 kernels only, as padding is 0.
    """

    def __init__(
        self,
        conv: nn.Conv2d,
        norm: nn.BatchNorm2d | None,
        taken: float,
        made: float | None = None,
        *,
        relu: bool = False,
        added: float = 0.0,
        added_zero: int = 0,
        taken_zero: int = 0,
    ) -> None:
        super().__init__()
        weight, bias = folded(conv, norm)
        scales = weight.abs().amax(dim=(1, 2, 3)).clamp(min=1e-12) / LARGEST_WEIGHT
        self.levels = rounded(weight / scales.view(-1, 1, 1, 1))
        self.geometry = (list(conv.stride), list(conv.padding), list(conv.dilation), conv.groups)
        self.taken, self.taken_zero = level(taken, taken_zero), taken_zero
        self.scales, self.zeros, self.bias = scales, torch.zeros(len(scales), dtype=torch.int32), bias
        self.kernel: Tensor | None = None
        self.zero = 0 if made is None or relu else MIDDLE
        self.made = 1.0 if made is None else level(made, self.zero)
        self.dtype = torch.float32 if made is None else torch.uint8
        self.activation = "relu" if relu else "none"
        self.added, self.added_zero = level(added, added_zero), added_zero

    def forward(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Map uint8 (N, C, H, W), channels last, to uint8 or float32; ``shortcut`` is uint8 and may be overwritten."""
        if self.kernel is None:
            # Which order of the weights suits depends on the size of the maps; in any other they are sorted anew by
            # every call, which takes longer than a 1 x 1 convolution.
            self.kernel = torch.ops.onednn.qconv_prepack(
                self.levels, self.scales, self.taken, self.taken_zero, *self.geometry, list(x.shape)
            )
            del self.levels
        given = (x, self.taken, self.taken_zero, self.kernel, self.scales, self.zeros)
        made = (self.bias, *self.geometry, self.made, self.zero, self.dtype)
        convolve = torch.ops.onednn.qconv2d_pointwise
        if shortcut is None:
            output: Tensor = convolve(*given, *made, self.activation, [], "")
        else:
            added = (self.added, self.added_zero, "sum", 1.0)
            output = convolve.binary(*given, shortcut, *made, *added, self.activation, [], "")
        return output


def folded(conv: nn.Conv2d, norm: Any) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution followed by batch normalisation in evaluation mode."""
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    if norm is None:
        return conv.weight, bias
    factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return conv.weight * factor.view(-1, 1, 1, 1), (bias - norm.running_mean) * factor + norm.bias


def rounded(weight: Tensor) -> Tensor:
    """Round kernels (out, in, h, w) to int8 so that the rounding errors of neighbouring taps cancel out.

    What is rounded is the running sum. CT is smooth, so the sum of a kernel matters more than each tap: the first
    convolution, whose input is bright all over, would else be off by many levels.
    """
    sums = weight.flatten(1).double().cumsum(dim=1).round()
    taps = sums.diff(dim=1, prepend=torch.zeros_like(sums[:, :1]))
    return taps.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT).view(weight.shape).to(torch.int8)


def step(largest: float) -> float:
    """What one level of uint8 stands for; a map that is 0 all over still needs one."""
    return max(largest, 1e-6) / LEVELS


def level(largest: float, zero: int) -> float:
    """As `step`, for a tensor whose values lie on both sides of 0 where ``zero`` is `MIDDLE`."""
    return step(2 * largest if zero else largest)


def to_levels(x: Tensor) -> Tensor:
    """Round float to uint8; overwrites ``x``."""
    return x.add_(0.5).clamp_(0, LEVELS).to(torch.uint8)


def max_pool(x: Tensor) -> Tensor:
    """Maximum over 3 x 3 with stride 2 and padding 1 of uint8 (N, C, H, W); PyTorch has no such kernel for uint8."""
    for axis in (2, 3):
        even, odd = (x.movedim(axis, 0)[start::2].movedim(0, axis) for start in (0, 1))
        pooled = even.clone(memory_format=torch.preserve_format)
        inner = pooled.narrow(axis, 0, odd.shape[axis])
        torch.maximum(inner, odd, out=inner)
        shifted = pooled.narrow(axis, 1, pooled.shape[axis] - 1)
        torch.maximum(shifted, odd.narrow(axis, 0, pooled.shape[axis] - 1), out=shifted)
        x = pooled
    return x


def sample(coarse: Tensor, flow: Tensor) -> Tensor:
    """`SpatialAlignment.warp` with channels last: the sum of four neighbours, each with its weight.

    Args:
        coarse: float (N, C, h, w), channels last.
        flow: float (N, 2, H, W), x and y.

    Returns:
        float (N, C, H, W), channels last.
    """
    count, channels, rows, columns = coarse.shape
    height, width = flow.shape[2:]
    top, bottom, down = _neighbours(flow[:, 1] + 2 * torch.arange(height).view(1, -1, 1), height, rows)
    left, right, across = _neighbours(flow[:, 0] + 2 * torch.arange(width), width, columns)
    first = (torch.arange(count) * rows).view(-1, 1, 1)
    top, bottom = (first + top) * columns, (first + bottom) * columns
    places = torch.stack([top + left, top + right, bottom + left, bottom + right], dim=-1)
    over, under = (1 - down), down
    weights = torch.stack([over * (1 - across), over * across, under * (1 - across), under * across], dim=-1)
    table = coarse.permute(0, 2, 3, 1).reshape(-1, channels)
    summed = F.embedding_bag(places.view(-1, 4), table, mode="sum", per_sample_weights=weights.view(-1, 4))
    return summed.view(count, height, width, channels).permute(0, 3, 1, 2)


def _neighbours(twice: Tensor, fine: int, coarse: int) -> tuple[Tensor, Tensor, Tensor]:
    """Coarse pixels before and after a place on the fine grid, given doubled, and how far it is towards the latter."""
    place = ((twice + 1) * (coarse / fine) - 1).mul_(0.5).clamp_(0, coarse - 1)
    before = place.int()
    return before, (before + 1).clamp_(max=coarse - 1), place - before
