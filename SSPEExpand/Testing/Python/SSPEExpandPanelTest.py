"""The panel of SSPE Expand, in 3D Slicer and on the harness: buttons that say why, tool tips, saved parameters."""

import time

import slicer

from SSPEExpandLib.logic import SSPEExpandLogic
from SSPESlicer.selftest import AnsweringProcess, PanelTest, addNode, halves, requireToolTips, saveAndReload


class SSPEExpandPanelTest(PanelTest):
    """Nothing here runs a network."""

    moduleName = "SSPEExpand"

    def test_everythingHasAToolTipAndParametersSurviveASavedScene(self) -> None:
        requireToolTips(self, self.widget.parent)
        upper, lower = (addNode(part, name) for part, name in zip(halves(20.0), ("head", "feet"), strict=True))
        self.ui.upperSelector.setCurrentNode(upper)
        self.ui.lowerSelector.setCurrentNode(lower)
        self.ui.distanceSlider.value = 96
        self.ui.deviceComboBox.currentIndex = 1
        saveAndReload()
        self.assertEqual(self.ui.upperSelector.currentNode().GetName(), "head")
        self.assertEqual(self.ui.lowerSelector.currentNode().GetName(), "feet")
        self.assertEqual(self.ui.distanceSlider.value, 96)
        self.assertEqual(self.ui.deviceComboBox.currentText, "CPU")

    def test_theButtonSaysWhyItIsDisabledAndThePlanWhatWillHappen(self) -> None:
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("Choose an upper or a lower volume", self.ui.applyButton.toolTip)
        upper, lower = (addNode(part, name) for part, name in zip(halves(20.0), ("head", "feet"), strict=True))
        self.ui.upperSelector.setCurrentNode(upper)
        self.ui.lowerSelector.setCurrentNode(None)
        self.assertTrue(self.ui.applyButton.enabled)
        self.assertEqual(self.ui.planLabel.text, "head will grow by 64 mm toward the feet.")
        self.ui.lowerSelector.setCurrentNode(upper)
        self.assertFalse(self.ui.applyButton.enabled)
        self.assertIn("must not be the same", self.ui.statusLabel.text)
        self.ui.lowerSelector.setCurrentNode(lower)
        for words in ("feet will grow by 64 mm toward the head", "frame of reference is not known", "overlap by 20 mm"):
            self.assertIn(words, self.ui.planLabel.text)
        self.ui.distanceSlider.value = 200
        self.assertIn("Errors add up", self.ui.planLabel.text)
        self.ui.upperSelector.setCurrentNode(lower)
        self.ui.lowerSelector.setCurrentNode(upper)
        self.assertIn("Exchange them", self.ui.planLabel.text)

    def test_aDeletedNodeLeavesItsSelectorEmptyAndNoOtherTakesItsPlace(self) -> None:
        head, feet = (addNode(part, name) for part, name in zip(halves(20.0), ("head", "feet"), strict=True))
        pelvis = addNode(halves(20.0)[1], "pelvis")
        before = slicer.util.arrayFromVolume(pelvis).copy()
        self.widget.logic = SSPEExpandLogic(AnsweringProcess)
        self.ui.upperSelector.setCurrentNode(head)
        self.ui.lowerSelector.setCurrentNode(None)
        self.expand()
        grown = self.ui.upperOutputSelector.currentNode()
        self.assertEqual(grown.GetName(), "head expanded")
        slicer.mrmlScene.RemoveNode(grown)
        self.assertIsNone(self.ui.upperOutputSelector.currentNode())
        self.expand()
        self.assertEqual(self.ui.upperOutputSelector.currentNode().GetName(), "head expanded")
        self.assertTrue((slicer.util.arrayFromVolume(pelvis) == before).all())
        self.ui.lowerSelector.setCurrentNode(feet)
        slicer.mrmlScene.RemoveNode(feet)
        self.assertIsNone(self.ui.lowerSelector.currentNode())

    def expand(self) -> None:
        """Expand to the end."""
        self.ui.applyButton.click()
        end = time.monotonic() + 10.0
        while self.widget.controls.isRunning and time.monotonic() < end:
            slicer.app.processEvents()
        self.assertFalse(self.widget.controls.isRunning)
