"""Another system's forward passes and blending, in an environment that has it: asked through `process.Child`.

Weights are random: they do not change the time. The first patches are computed and timed; for the rest the network is
replaced by zeros, so that the windows and the blending of the whole CT are the system's own and all done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from ....system.allocator import keep_freed_memory
from ..process import peak_memory_mb, serve

CLASSES = 2
OVERLAP = 0.5
# What nnU-Net's planner gives for CTs of 100 x 512 x 512 voxels of 3 x 1 x 1 mm.
NNUNET_PATCH = (40, 224, 224)
NNUNET_FEATURES = (32, 64, 128, 256, 320, 320)
NNUNET_STRIDES = ((1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2))
NNUNET_KERNELS = ((1, 3, 3), *((3, 3, 3),) * 5)
SEGRESNET_PATCH = (96, 96, 96)

Predict = Callable[[Tensor], object]
_loaded: dict[str, Any] = {}


class Sampled(nn.Module):
    """A network of which only the first passes are computed.

    Args:
        network: maps (1, 1, z, y, x) to (1, classes, z, y, x).
        timed: how many passes are computed, 0 for all.
    """

    def __init__(self, network: nn.Module, timed: int) -> None:
        super().__init__()
        self.network = network
        self.timed = timed
        self.seconds: list[float] = []
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        """Compute, or zeros of the same shape."""
        self.passes += 1
        if self.timed and self.passes > self.timed:
            return x.new_zeros((len(x), CLASSES, *x.shape[2:]))
        started = time.perf_counter()
        output: Tensor = self.network(x)
        self.seconds.append(time.perf_counter() - started)
        return output


def nnunet(network: Sampled) -> Predict:
    """The sliding window of nnU-Net's own predictor, without mirroring."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(OVERLAP, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.network = network
    predictor.configuration_manager = SimpleNamespace(patch_size=NNUNET_PATCH)
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=CLASSES)
    return lambda image: predictor.predict_sliding_window_return_logits(image[0])


def nnunet_network() -> nn.Module:
    """3d_fullres of nnU-Net v2 for such a CT: PlainConvUNet of 6 stages, about 30.7 million parameters."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    network: nn.Module = PlainConvUNet(
        1,
        len(NNUNET_FEATURES),
        NNUNET_FEATURES,
        nn.Conv3d,
        NNUNET_KERNELS,
        NNUNET_STRIDES,
        2,
        CLASSES,
        2,
        conv_bias=True,
        norm_op=nn.InstanceNorm3d,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    return network


def segresnet(network: Sampled) -> Predict:
    """MONAI's sliding window with Gaussian weights."""
    from monai.inferers.utils import sliding_window_inference

    return lambda image: sliding_window_inference(image, SEGRESNET_PATCH, 1, network, OVERLAP, mode="gaussian")


def segresnet_network() -> nn.Module:
    """MONAI's SegResNet with 16 filters."""
    from monai.networks.nets.segresnet import SegResNet

    network: nn.Module = SegResNet(init_filters=16, in_channels=1, out_channels=CLASSES)
    return network


SYSTEMS = {"nnunet": (nnunet_network, nnunet), "segresnet": (segresnet_network, segresnet)}


def load(name: str, shape: list[int], patches: int) -> dict[str, Any]:
    """Build the network and a CT of normalised noise (z, y, x), and predict once to warm up."""
    build, window = SYSTEMS[name]
    network = build().eval()
    sampled = Sampled(network, patches)
    _loaded.update(network=sampled, predict=window(sampled), image=torch.randn(1, 1, *shape))
    sampled.timed = 1
    _predict()
    sampled.timed = patches
    return {"parameters": sum(parameter.numel() for parameter in network.parameters())}


def predict() -> dict[str, Any]:
    """Predict the CT; the time of what was not computed is that of a mean patch."""
    network: Sampled = _loaded["network"]
    started = time.perf_counter()
    _predict()
    seconds = time.perf_counter() - started
    patch = sum(network.seconds) / len(network.seconds)
    return {
        "patches": network.passes,
        "timed": len(network.seconds),
        "patch_s": patch,
        "seconds": seconds + patch * (network.passes - len(network.seconds)),
        "memory_mb": peak_memory_mb(),
    }


@torch.inference_mode()
def _predict() -> None:
    network: Sampled = _loaded["network"]
    network.passes, network.seconds = 0, []
    _loaded["predict"](_loaded["image"])


if __name__ == "__main__":
    keep_freed_memory()
    serve({"load": load, "predict": predict})
