"""Every network computes, with the kernels that PyTorch chooses on this processor, what its plain kernels give."""

from __future__ import annotations

import pytest
import torch

from GTVAutoSegLib.networks import CLASSIFIERS, SEGMENTERS, build_network, channels_last
from GTVAutoSegLib.study.volumetric.systems import VOLUME_NETWORKS
from GTVAutoSegLib.training.data.batches import packed

REGISTRIES = {"classifier": CLASSIFIERS, "segmenter": SEGMENTERS, "volume": VOLUME_NETWORKS}
SHAPES = {"classifier": (2, 1, 48, 48), "segmenter": (2, 1, 48, 48), "volume": (2, 1, 16, 16, 16)}
# That of most tests, and the one that is shipped.
WIDTHS = (4, 32)
CASES = [(stage, name, width) for stage in REGISTRIES for name in REGISTRIES[stage] for width in WIDTHS]

every_network = pytest.mark.parametrize(("stage", "name", "width"), CASES)


@every_network
def test_answers_and_gradients_are_the_same_twice_and_each_layer_s_those_of_the_plain_kernels(stage, name, width):
    """Gradients by layer: a ReLU that decides otherwise for a rounding makes those of whole networks differ by more."""
    network, images = made(stage, name, width)
    calls, first = calls_of_layers(network, images)
    assert all(torch.equal(a, b) for a, b in zip(first, gradients(network, images), strict=True))
    convolutions = {layer for layer in layers(network) if "Conv" in type(layer).__name__}
    assert convolutions <= {layer for layer, _ in calls}
    for layer, given in calls:
        found, expected = gradients(layer, given), on_plain_kernels(gradients, layer, given)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, 1e-4)
    found = answer(network, images)
    assert torch.equal(found, answer(network, images))
    assert_close(found, on_plain_kernels(answer, network, images), 1e-4)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("stride", [2, (1, 2), 3])
def test_a_narrow_convolution_with_a_stride_is_itself_with_channels_last(channels, stride):
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(channels, 8, 1, stride=stride)
    images = torch.randn(8, channels, 9, 8)
    expected = on_plain_kernels(plain, images), *on_plain_kernels(gradients, plain, images)
    arranged = channels_last(plain)
    for _ in range(5):  # what is wrong there differs from call to call
        found = arranged(packed(images)), *gradients(arranged, packed(images))
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other, 1e-5)


def made(stage, name, width):
    torch.manual_seed(0)
    network = channels_last(build_network(REGISTRIES[stage], name, {"width": width}))
    return network, packed(torch.rand(SHAPES[stage]))


def layers(network):
    return [part for part in network.modules() if not list(part.children()) and list(part.parameters())]


def calls_of_layers(network, images):
    """Every layer with parameters and what it was given, in the memory order that this had; and the gradients."""
    calls = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, _: calls.append((layer, given[0].detach())))
        for layer in layers(network)
    ]
    found = gradients(network, images)
    for hook in hooks:
        hook.remove()
    return calls, found


def gradients(layer, given):
    """Of what is given and of all parameters, for a random pull at every value of the answer."""
    torch.manual_seed(1)  # of dropout
    given = given.clone(memory_format=torch.preserve_format).requires_grad_()
    values = flat(layer(given))
    torch.manual_seed(2)
    return torch.autograd.grad(values, [given, *layer.parameters()], torch.randn(values.shape))


def answer(network, images):
    with torch.inference_mode():
        return flat(network.eval()(images))


def flat(output):
    return torch.cat([part.flatten() for part in output]) if isinstance(output, tuple) else output.flatten()


def on_plain_kernels(compute, *arguments):
    with torch.backends.mkldnn.flags(enabled=False):
        return compute(*arguments)


def assert_close(found, expected, tolerance):
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()
