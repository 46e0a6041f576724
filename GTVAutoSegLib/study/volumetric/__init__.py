"""3D systems to compare the cascade with: trained on volumes, and giving masks on each CT's own grid.

One system is trained by `train_system` into a folder, opened again by `load_system`, and run by `predict_case`::

    train_system("vnet3d", training, validation, settings, folder, engine, resume=False)
    system = load_system(folder, "auto")
    mask = predict_case(system, read_volume(case.image))  # uint8 (z, y, x), as `images.metrics.compare` takes it

``SYSTEMS`` names them. "nnunet3d" and "vbnet3d" have two stages: a coarse network sees the whole volume at low
resolution, a fine one sees patches inside the box of what the coarse one found.
"""

from .prediction import predict_case
from .systems import COARSE, FINE, SYSTEMS, System, VolumeSettings, load_system
from .training import train_system

__all__ = ["COARSE", "FINE", "SYSTEMS", "System", "VolumeSettings", "load_system", "predict_case", "train_system"]
