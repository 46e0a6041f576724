"""All networks with where they come from, as `study.cost` prints them."""

from __future__ import annotations

from ..networks import SEGMENTERS
from ..networks.encoders import ENCODERS
from ..networks.origin import Origin, origin_of
from .volumetric.networks import VOLUME_NETWORKS

CLASSIFIER_ORIGINS: dict[str, Origin] = {name: origin_of(encoder) for name, encoder in ENCODERS.items()}
SEGMENTER_ORIGINS: dict[str, Origin] = {name: origin_of(network) for name, network in SEGMENTERS.items()}
VOLUME_ORIGINS: dict[str, Origin] = {name: origin_of(network) for name, network in VOLUME_NETWORKS.items()}
