"""The panel's state, kept in the scene."""

# No postponed annotations: the wrapper reads the types when the class is made.
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class GTVAutoSegParameterNode:
    """Parameters of the module.

    Attributes:
        input_volume: the CT.
        output_segmentation: where the result goes; None makes a new segmentation.
        model: id of the model; empty takes the first there is.
        device: "auto", "cpu", "cuda:0" and so on.
        box: where the tumour is looked for; None looks everywhere.
        outline: id of the segment that is steered; empty takes the result of the last run.
        first_slice: first slice of the chosen range, -1 when none was named.
        last_slice: its last one, the same.
    """

    input_volume: vtkMRMLScalarVolumeNode
    output_segmentation: vtkMRMLSegmentationNode
    model: str = ""
    device: str = "auto"
    box: vtkMRMLMarkupsROINode
    outline: str = ""
    first_slice: int = -1
    last_slice: int = -1
