"""qMRML and qSlicer widgets to the extent that scripted modules use them, with Slicer's names."""

from .node_combo_box import qMRMLNodeComboBox
from .scene_widgets import (
    qMRMLSliderWidget,
    qMRMLSpinBox,
    qMRMLWidget,
    qSlicerScriptedLoadableModuleWidget,
    qSlicerWidget,
)

WIDGETS = (
    qMRMLNodeComboBox,
    qMRMLSliderWidget,
    qMRMLSpinBox,
    qMRMLWidget,
    qSlicerScriptedLoadableModuleWidget,
    qSlicerWidget,
)
