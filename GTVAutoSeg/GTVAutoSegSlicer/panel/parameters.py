"""The panel's state, kept in the scene."""

# No postponed annotations: the wrapper reads the types when the class is made.
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class GTVAutoSegParameterNode:
    """Parameters of the module.

    Attributes:
        input_volume: the CT.
        output_segmentation: where the result goes; None makes a new segmentation.
        model: id of the model; empty takes the first there is.
        device: "auto", "cpu", "cuda:0" and so on.
    """

    input_volume: vtkMRMLScalarVolumeNode
    output_segmentation: vtkMRMLSegmentationNode
    model: str = ""
    device: str = "auto"
