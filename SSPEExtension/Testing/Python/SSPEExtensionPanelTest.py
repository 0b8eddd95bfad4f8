"""The home panel of SSPE, in 3D Slicer and on the harness."""

import slicer

from SSPESlicer.home import pytorch
from SSPESlicer.selftest import PanelTest, requireToolTips


class SSPEExtensionPanelTest(PanelTest):
    """Set-up shown as it is, links to the modules."""

    moduleName = "SSPEExtension"

    def test_theSetUpIsShownAsItIs(self) -> None:
        requireToolTips(self, self.widget.parent)
        version = pytorch.torchVersion()
        self.assertIn(version or "not installed", self.ui.torchLabel.text)
        self.assertEqual(self.ui.installButton.isHidden(), version is not None)
        self.assertTrue(self.ui.modelLabel.text)

    def test_theLinksOpenTheModules(self) -> None:
        self.ui.expandButton.click()
        self.assertEqual(slicer.util.selectedModule(), "SSPEExpand")
        slicer.util.selectModule("SSPEExtension")
        self.ui.registerButton.click()
        self.assertEqual(slicer.util.selectedModule(), "SSPERegister")
