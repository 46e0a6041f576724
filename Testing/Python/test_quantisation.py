"""8-bit networks against float32 ones, the choice between them, and calibrating a bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles import make_bundle
from datasets import write_dataset
from phantoms import phantom
from torch import nn
from torch.nn import functional as F

from GTVAutoSegLib import load_model, read_volume
from GTVAutoSegLib.cascade import assembly
from GTVAutoSegLib.cascade.assembly import chosen_precision, in_precision
from GTVAutoSegLib.cascade.int8.convert import NotQuantisableError, quantise
from GTVAutoSegLib.cascade.int8.layers import QuantisedConv, folded, max_pool, missing_support, rounded, sample
from GTVAutoSegLib.commands.cli import main
from GTVAutoSegLib.errors import InputError, ModelError
from GTVAutoSegLib.model.bundle import read_bundle
from GTVAutoSegLib.model.precision import Agreement
from GTVAutoSegLib.model.store import export_model, record
from GTVAutoSegLib.networks import SANet, SliceClassifier
from GTVAutoSegLib.networks.blocks import conv_bn
from GTVAutoSegLib.networks.sanet import SpatialAlignment
from GTVAutoSegLib.training.data.dataset import find_cases
from GTVAutoSegLib.training.results.calibration import compare, measure_ranges

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLES = REPOSITORY / "Testing" / "Data" / "sts-gtv"
CLOSE = Agreement("val", 8, 500, 0.996, 0.99, 0.998, 0.96, 0.96)
# Elsewhere the same tests show that everything runs in float32 instead.
SUPPORTED = missing_support() == ""


def lively(network: nn.Module) -> nn.Module:
    """With the statistics and flows of a trained network instead of those it starts with."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, SpatialAlignment):
            nn.init.normal_(module.flow.weight, std=0.05)
    return network.eval().requires_grad_(False)


def images(count: int = 2, size: int = 64) -> torch.Tensor:
    torch.manual_seed(2)
    return F.avg_pool2d(torch.rand(count, 1, size, size), 9, 1, 4)


def levels(*shape: int) -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randint(0, 256, shape, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)


def test_folding_the_normalisation_changes_nothing():
    part = lively(conv_bn(3, 5, 3))
    x = torch.rand(1, 3, 9, 9)
    weight, bias = folded(part[0], part[1])
    assert torch.allclose(F.conv2d(x, weight, bias, padding=1), part(x), atol=1e-5)


def test_rounding_keeps_the_sum_of_a_kernel():
    weight = 20 * torch.randn(8, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    made = rounded(weight)
    assert made.dtype == torch.int8
    assert (made.float() - weight).abs().max() <= 1.0
    assert (made.float() - weight).sum(dim=(1, 2, 3)).abs().max() <= 0.51
    assert (weight.round() - weight).sum(dim=(1, 2, 3)).abs().max() > 2


def test_pooling_of_levels_is_that_of_floats():
    for size in ((8, 8), (7, 9)):
        x = levels(2, 3, *size)
        assert torch.equal(max_pool(x).float(), F.max_pool2d(x.float(), 3, 2, 1))


def test_sampling_is_that_of_the_alignment_module():
    flow = 9 * torch.randn(2, 2, 12, 16, generator=torch.Generator().manual_seed(0))
    coarse = torch.rand(2, 8, 6, 8).contiguous(memory_format=torch.channels_last)
    assert torch.allclose(sample(coarse, flow), SpatialAlignment(8).warp(coarse, flow), atol=1e-5)


def test_a_quantised_convolution_is_close_to_the_float_one():
    if not SUPPORTED:
        assert missing_support()
        return
    part = lively(conv_bn(16, 24, 3))
    x, shortcut = levels(2, 16, 20, 20), levels(2, 24, 20, 20)
    expected = part(x.float() / 255)
    added = torch.relu(expected + shortcut.float() * (2.0 / 255))
    largest = float(added.max())
    plain = QuantisedConv(part[0], part[1], 1.0)
    assert torch.allclose(plain(x), expected, atol=0.01 * float(expected.abs().max()))
    with_sum = QuantisedConv(part[0], part[1], 1.0, largest, relu=True, added=2.0)
    assert (with_sum(x, shortcut.clone()).float() * largest / 255 - added).abs().max() < 0.02 * largest


def test_a_quantised_convolution_takes_maps_of_another_size_than_its_first():
    if not SUPPORTED:
        assert missing_support()
        return
    part = lively(conv_bn(256, 512, 1, 2))
    used, fresh = QuantisedConv(part[0], part[1], 1.0), QuantisedConv(part[0], part[1], 1.0)
    used(levels(1, 256, 8, 8))
    assert torch.equal(used(levels(2, 256, 32, 32)), fresh(levels(2, 256, 32, 32)))


NETWORKS = {
    "classifier": lambda: SliceClassifier(width=16),
    "classifier at 1/2": lambda: SliceClassifier(width=16, shrink=2),
    "sanet": lambda: SANet(width=16),
    "efficientnet classifier": lambda: SliceClassifier(encoder="efficientnet-lite0-short"),
    "efficientnet sanet": lambda: SANet(width=16, encoder="efficientnet-lite0", dilate_last=False),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_quantised_network_gives_nearly_the_same_probabilities(name):
    torch.manual_seed(0)
    network = lively(NETWORKS[name]())
    ranges = measure_ranges(network, [images()])
    if not SUPPORTED:
        assert missing_support()
        return
    with torch.inference_mode():
        expected = network(images()).softmax(dim=1)
        assert (quantise(network, ranges)(images()).softmax(dim=1) - expected).abs().max() < 0.06


@pytest.mark.parametrize("network", [SANet(width=4, compat=True), SliceClassifier(encoder="resnet50", width=4)])
def test_a_network_without_an_8_bit_form_is_said(network):
    with pytest.raises(NotQuantisableError, match="8-bit form"):
        quantise(network.eval(), {})


def test_weights_that_are_no_numbers_do_not_become_integers():
    network = SliceClassifier(width=4)
    network.trunk.stem[0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotQuantisableError, match="no numbers"):
        quantise(network, {})


@pytest.fixture(scope="module")
def shipped():
    return load_model(REPOSITORY / "Resources" / "Models" / "sts-gtv", device="cpu", precision="fp32")


def test_the_shipped_model_outlines_the_sample_cts_alike_in_both_precisions(shipped):
    small = load_model(shipped.bundle.path, device="cpu")
    assert small.precision == ("int8" if SUPPORTED else "fp32")
    found = compare(shipped, small, find_cases(SAMPLES))
    assert found.cases == 2
    assert found.dsc_worst >= 0.98 and found.slices_equal >= 0.98
    assert found.recall_int8 >= found.recall_fp32 - 0.02


def test_fp32_stays_the_reference(shipped):
    assert shipped.precision == "fp32"
    assert {parameter.dtype for network in shipped.segmenters for parameter in network.parameters()} == {torch.float32}


def test_calibrating_writes_what_loading_needs(tmp_path, capsys):
    bundle = make_bundle(tmp_path / "random")
    arguments = ["model", "calibrate", str(bundle), str(SAMPLES), "--compare", str(SAMPLES)]
    if not SUPPORTED:
        assert main(arguments) == 2
        assert "calibrate on another machine" in capsys.readouterr().err
        return
    assert main(arguments) == 0
    assert "2 cases, DSC of int8 and fp32 masks" in capsys.readouterr().out
    model = load_model(bundle, device="cpu", precision="int8")
    agreement = model.bundle.info.calibration.agreement
    assert (agreement.split, agreement.cases) == ("sts-gtv", 2)
    result = model.segment(read_volume(find_cases(SAMPLES)[0].image), slices=range(2))
    assert result.precision == "int8" and np.isfinite(result.slice_probability[:2]).all()


def test_auto_takes_int8_only_where_masks_were_shown_to_stay(shipped):
    calibration = shipped.bundle.info.calibration

    def chosen(agreement):
        info = replace(shipped.bundle.info, calibration=replace(calibration, agreement=agreement))
        return chosen_precision(replace(shipped, bundle=replace(shipped.bundle, info=info)), "auto")

    assert chosen(CLOSE) == ("int8" if SUPPORTED else "fp32")
    for worse in ({"dsc_mean": 0.99}, {"dsc_worst": 0.97}, {"slices_equal": 0.99}):
        assert chosen(replace(CLOSE, **worse)) == "fp32"


def test_agreement_is_not_earned_by_finding_nothing_or_losing_tumour_slices():
    assert replace(CLOSE, recall_int8=0.955).close and replace(CLOSE, recall_int8=0.99).close
    assert not replace(CLOSE, recall_int8=0.9549).close
    assert not replace(CLOSE, recall_fp32=0.0, recall_int8=0.0).close
    assert not replace(CLOSE, recall_fp32=float("nan"), recall_int8=float("nan")).close


@pytest.mark.parametrize(("name", "close"), [("sts-gtv", True), ("lung-tumour-roi", True)])
def test_the_shipped_records_choose_as_their_cards_say(name, close):
    calibration = read_bundle(REPOSITORY / "Resources" / "Models" / name).info.calibration
    assert calibration.agreement.close is close


def test_forms_that_both_outline_nothing_are_not_compared(tmp_path):
    model = load_model(make_bundle(tmp_path / "finds-none", bias=-20.0), device="cpu", precision="fp32")
    with pytest.raises(InputError, match=r"outlines nothing in .*sts-gtv in fp32, so masks cannot be compared; give"):
        compare(model, model, find_cases(SAMPLES)[:1])


def test_cases_without_tumour_cannot_show_that_masks_stay(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("GTVAutoSegLib.training.results.calibration.missing_support", lambda: "")
    data = write_dataset(tmp_path / "data", 2, tumour=False)
    bundle = make_bundle(tmp_path / "random")
    before = (bundle / "model.json").read_bytes()
    assert main(["model", "calibrate", str(bundle), str(data), "--compare", str(data)]) == 2
    assert "shows a tumour, so slice recall cannot be compared; give --compare cases" in capsys.readouterr().err
    assert (bundle / "model.json").read_bytes() == before


def test_a_zip_is_refused_before_anything_is_measured(tmp_path, capsys):
    path = export_model(make_bundle(tmp_path / "random"), tmp_path / "random.zip")
    assert main(["model", "calibrate", str(path), "no-data", "--compare", "no-data"]) == 2
    assert "is a .zip, whose description cannot be changed; unpack it first" in capsys.readouterr().err


def test_without_the_instructions_auto_is_fp32_and_int8_is_refused(shipped, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False, raising=False)
    assert chosen_precision(shipped, "auto") == "fp32"
    with pytest.raises(InputError, match="int8 is not available: this processor has no AVX512-VNNI"):
        chosen_precision(shipped, "int8")


def test_without_the_operator_auto_is_fp32_and_every_result_says_so(monkeypatch):
    def absent(*_, **__):
        raise AttributeError("'_OpNamespace' 'onednn' object has no attribute 'qconv_prepack'")

    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
    monkeypatch.setattr("GTVAutoSegLib.cascade.int8.layers.QuantisedConv.__init__", absent)
    assert "this PyTorch has no 8-bit convolution" in missing_support()
    model = load_model("sts-gtv", device="cpu")
    assert model.precision == "fp32"
    said = [text for text in model.segment(phantom()).warnings if text.startswith("computed in float32")]
    assert len(said) == 1 and "no attribute 'qconv_prepack'" in said[0]


@pytest.mark.parametrize("of", ["signed kernels with a shortcut", "the largest sums"])
def test_an_operator_that_computes_wrongly_is_not_used(monkeypatch, of):
    """Right on one of the two trials is not enough."""

    def convolve(self, x, shortcut=None):
        exact = F.conv2d(x * self.taken, self.levels * self.scales.view(-1, 1, 1, 1), self.bias)
        if shortcut is None:
            return exact * (0.99 if of == "the largest sums" else 1)
        wrong = 0.0 if of == "signed kernels with a shortcut" else 1.0
        return ((exact + wrong * self.added * shortcut).relu() / self.made).round().to(torch.uint8)

    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True, raising=False)
    monkeypatch.setattr(QuantisedConv, "forward", convolve)
    fault, of = of, "none"
    assert missing_support() == ""
    of = fault
    assert missing_support() == "PyTorch's 8-bit convolution is wrong here"
    model = load_model("sts-gtv", device="cpu")
    assert model.precision == "fp32" and "8-bit convolution is wrong here" in model.notes[0]
    with pytest.raises(InputError, match="int8 is not available: PyTorch's 8-bit convolution is wrong here"):
        load_model("sts-gtv", device="cpu", precision="int8")


def test_looking_for_the_operator_leaves_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    missing_support()
    assert torch.equal(torch.rand(1), expected)


def test_a_bundle_without_calibration_runs_in_fp32(tmp_path):
    bundle = make_bundle(tmp_path / "random")
    assert load_model(bundle, device="cpu").precision == "fp32"
    with pytest.raises(InputError, match="not calibrated"):
        load_model(bundle, device="cpu", precision="int8")


def test_ranges_of_another_network_are_a_damaged_model(tmp_path, monkeypatch):
    bundle = make_bundle(tmp_path / "random")
    record(bundle, "calibration", {"ranges": {"classifier.safetensors": {"trunk": 1.0}}, "agreement": asdict(CLOSE)})
    monkeypatch.setattr(assembly, "missing_support", lambda: "")
    with pytest.raises(ModelError, match="the ranges lack 'trunk.stem.3'"):
        load_model(bundle, device="cpu")
    data = json.loads((bundle / "model.json").read_text())
    data["calibration"]["ranges"]["classifier.safetensors"]["trunk"] = "wide"
    (bundle / "model.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"calibration.ranges.classifier.safetensors.trunk is 'wide'"):
        load_model(bundle)


@pytest.mark.parametrize(("precision", "words"), [("fp16", "needs a CUDA device"), ("int4", "is unknown; expected")])
def test_a_precision_that_is_not_to_be_had_is_refused(tmp_path, precision, words):
    with pytest.raises(InputError, match=words):
        load_model(make_bundle(tmp_path / "random"), device="cpu", precision=precision)


def test_the_other_precision_leaves_the_cascade_it_came_from(shipped):
    if not SUPPORTED:
        assert in_precision(shipped, "fp32") is shipped
        return
    small = in_precision(shipped, "int8")
    assert small.precision == "int8" and shipped.precision == "fp32"
    assert isinstance(shipped.segmenters[0], SANet) and not isinstance(small.segmenters[0], SANet)
