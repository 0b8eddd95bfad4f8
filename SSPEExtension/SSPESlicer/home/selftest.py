"""The self-test of the home module: the same in 3D Slicer and in the project's CI."""

from __future__ import annotations

import re

import slicer

from SSPELib.model.bundle import ModelCard

from ..selftest import SelfTest
from . import model_card, pytorch


class SSPEExtensionTest(SelfTest):
    """Sample data, model card and the state of PyTorch."""

    def test_sampleDataAreRegisteredWithChecksumsAndThumbnails(self) -> None:
        sources = slicer.modules.sampleDataSources["SSPE"]
        self.assertEqual(len(sources), 3)
        for source in sources:
            self.assertTrue(all(re.fullmatch("SHA256:[0-9a-f]{64}", checksum) for checksum in source.checksums))
            self.assertTrue(all(uri.startswith("https://") for uri in source.uris))
            self.assertTrue(source.thumbnailFileName.endswith(".png"))

    def test_modelCardTellsFiguresAndLimits(self) -> None:
        card = ModelCard(
            name="test", architecture="ResUNet", arguments={}, spacing_mm=4.0, scope=(32, 64, 112), step=16,
            window_hu=(-1000.0, 3000.0), weights_sha256="",
            error_by_distance=tuple((4.0 + 8 * index, 100.0 + index) for index in range(20)),
            training={"volumes": 90, "sources": [{"pattern": "necks/*.nii.gz"}]},
            held_out={
                "necks/*_ct.nii.gz, 64 mm": {"error_hu": 210.4, "repeated_hu": 350.6, "better_percent": 81.2},
                "torso/one_chest.nii.gz, 64 mm": {"error_hu": 120.0},
            },
            limits="CT <only>.", license="Apache-2.0", research_use="Research use only.",
        )  # fmt: skip
        text = model_card.describeCard(card)
        for words in ("CT &lt;only&gt;.", "Research use only.", "<td>Volumes trained on</td><td>90</td>", "156 mm"):
            self.assertIn(words, text)
        self.assertIn("<td>necks, 64 mm</td><td>210</td><td>351</td><td>81</td>", text)
        # A long name may go on in the next line of a narrow panel.
        self.assertIn("<td>torso/\u200bone_\u200bchest, 64 mm</td>", text)
        self.assertLessEqual(len(re.findall(r"<td>1\d\d HU</td>", text)), model_card.MOST_DISTANCES)
        self.assertNotIn("pattern", text)

    def test_stateOfPyTorchIsFoundWithoutLoadingIt(self) -> None:
        version = pytorch.torchVersion()
        self.assertTrue(version is None or re.match(r"\d+\.\d+", version))
