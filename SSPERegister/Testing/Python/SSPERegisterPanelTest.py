"""The panel of SSPE Register, in 3D Slicer and on the harness: buttons that say why, tool tips, saved parameters."""

import slicer

from SSPESlicer import panel_checks
from SSPESlicer.selftest_support import addNode, halves


class SSPERegisterPanelTest(panel_checks.PanelTest):
    """Nothing here runs a network."""

    moduleName = "SSPERegister"

    def test_everythingHasAToolTipAndParametersSurviveASavedScene(self) -> None:
        panel_checks.requireToolTips(self, self.widget.parent)
        fixed, moving = (addNode(part, name) for part, name in zip(halves(20.0), ("chest", "belly"), strict=True))
        self.widget.chooseVolumes(fixed, moving)
        self.ui.startComboBox.currentIndex = 1
        self.ui.transformTypeComboBox.currentIndex = 1
        self.ui.expandCheckBox.checked = False
        panel_checks.saveAndReload()
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
        self.ui.startComboBox.currentIndex = 0
        self.ui.backendComboBox.currentIndex = 1
        if not hasattr(slicer.modules, "brainsfit"):
            self.assertIn("no module BRAINSFit", self.ui.applyButton.toolTip)
