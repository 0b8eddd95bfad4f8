"""The panel of SSPE Register, in 3D Slicer and on the harness: buttons that say why, tool tips, saved parameters."""

from typing import Any

import qt
import slicer

from SSPERegisterLib.selftest import expandedBy
from SSPESlicer.selftest import PanelTest, addNode, halves, requireToolTips, saveAndReload
from SSPESlicer.views.comparison import MODES


class SSPERegisterPanelTest(PanelTest):
    """Nothing here runs a network."""

    moduleName = "SSPERegister"

    def test_everythingHasAToolTipAndParametersSurviveASavedScene(self) -> None:
        requireToolTips(self, self.widget.parent)
        fixed, moving = (addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        self.widget.chooseVolumes(fixed, moving)
        self.ui.startComboBox.currentIndex = 1
        self.ui.transformTypeComboBox.currentIndex = 1
        self.ui.expandCheckBox.checked = False
        self.ui.seamSlider.value = 25
        self.widget.parameters.stitchedParts = [moving, fixed]
        saveAndReload()
        self.assertEqual(self.ui.seamSlider.value, 25)
        parts = [self.ui.partsList.item(row) for row in range(self.ui.partsList.count)]
        self.assertEqual([node.GetName() for node in self.widget.parameters.stitchedParts], ["belly", "chest"])
        checked = [item.text() for item in parts if item.checkState() == qt.Qt.Checked]
        self.assertEqual(checked, ["chest", "belly"])
        self.assertEqual(self.ui.fixedSelector.currentNode().GetName(), "chest")
        self.assertEqual(self.ui.movingSelector.currentNode().GetName(), "belly")
        self.assertEqual(self.ui.startComboBox.currentText, "Unknown: end to end along the body")
        self.assertEqual(self.ui.transformTypeComboBox.currentText, "Affine")
        self.assertFalse(self.ui.expandCheckBox.checked)

    def test_theButtonSaysWhyItIsDisabledAndLandmarksAreAskedForOnlyWhenNeeded(self) -> None:
        self.assertIn("Choose a fixed and a moving volume", self.ui.applyButton.toolTip)
        self.widget.chooseVolumes(
            *(addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        )
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertIn("chest and belly will be expanded by 64 mm", self.ui.planLabel.text)
        self.assertTrue(self.ui.fixedLandmarksSelector.isHidden())
        self.ui.startComboBox.currentIndex = 2
        self.assertFalse(self.ui.fixedLandmarksSelector.isHidden())
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Choose the landmarks", self.ui.statusLabel.text)
        lists = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name) for name in ("ribs", "spine")]
        self.ui.fixedLandmarksSelector.setCurrentNode(lists[0])
        self.ui.movingLandmarksSelector.setCurrentNode(lists[1])
        for count, point in enumerate(((0.0, 0, 0), (50, 0, 0), (0, 50, 0))):
            self.assertIn(f"ribs has {count} landmarks and spine {count}", self.ui.statusLabel.text)
            for node in lists:
                node.AddControlPoint(*point)
        self.assertTrue(self.ui.applyButton.enabled)
        lists[0].RemoveNthControlPoint(0)
        self.assertIn("ribs has 2 landmarks and spine 3", self.ui.applyButton.toolTip)
        self.ui.startComboBox.currentIndex = 0
        self.ui.backendComboBox.currentIndex = 1
        if not hasattr(slicer.modules, "brainsfit"):
            self.assertIn("no module BRAINSFit", self.ui.applyButton.toolTip)

    def test_volumesThatCannotBeUsedDisableTheButton(self) -> None:
        fixed, moving = (addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bending")
        moving.SetAndObserveTransformNodeID(bending.GetID())
        self.widget.chooseVolumes(fixed, moving)
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("belly lies under the transform bending, which bends or shears it", self.ui.statusLabel.text)

    def test_theComparisonWorksBeforeARegistrationAndComesBackWithThePanel(self) -> None:
        self.assertIn("Choose a fixed and a moving volume", self.ui.blendSlider.toolTip)
        fixed, moving = (addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        self.widget.chooseVolumes(fixed, moving)
        self.assertFalse(self.ui.tintCheckBox.enabled)
        self.assertIn("no expanded volumes", self.ui.tintCheckBox.toolTip)
        self.assertIn("Choose Blend", self.ui.blendSlider.toolTip)
        self.ui.comparisonComboBox.currentIndex = MODES.index("blend")
        self.ui.blendSlider.value = 80
        self.assertEqual(self.foregrounds(moving), [0.8] * 3)
        slicer.util.selectModule("SSPEExtension")
        self.assertFalse(self.widget.comparison.isShown)
        slicer.util.selectModule(self.moduleName)
        self.assertTrue(self.widget.comparison.isShown)
        self.ui.blendSlider.value = 30
        self.assertEqual(self.foregrounds(moving), [0.3] * 3)

    def test_tintedVolumesAreFoundFromTheirOriginals(self) -> None:
        fixed, moving = (addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        grown = expandedBy(moving, 4)
        self.widget.chooseVolumes(fixed, moving)
        self.assertTrue(self.ui.tintCheckBox.enabled)
        self.ui.comparisonComboBox.currentIndex = MODES.index("blend")
        self.ui.tintCheckBox.checked = True
        self.assertEqual(len(self.foregrounds(grown)), 3)
        self.ui.tintCheckBox.checked = False
        self.assertEqual(len(self.foregrounds(moving)), 3)

    def foregrounds(self, node: Any) -> list[float]:
        """How strongly the views that show a volume above another one show it."""
        composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        shown = [composite for composite in composites if composite.GetForegroundVolumeID() == node.GetID()]
        return [round(composite.GetForegroundOpacity(), 6) for composite in shown]
