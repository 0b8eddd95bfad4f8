"""The panel's export of the registration, and of the merged volume, as DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from SSPESlicer.panel.job_button import JobButton
from SSPESlicer.scene import dicom, provenance

from . import dicom_export, placement
from .joined_nodes import isJoinedOf


class DicomSection:
    """Patient and study come from the DICOM files of the volumes; where there are none, two fields ask for the patient.

    Args:
        panel: of SSPE Register, whose ui has the widgets of AfterRegistration.ui.
        onChanged: called when a job has begun or ended.
    """

    def __init__(self, panel: Any, onChanged: Callable[[], None]) -> None:
        self._panel = panel
        ui = panel.ui
        self._export = JobButton(
            ui.dicomButton,
            ui.dicomProgressBar,
            ui.dicomStatusLabel,
            self.onDicomButton,
            lambda: panel.logic.cancel(),
            onChanged,
        )
        self._tags = {"PatientID": ui.patientIdEdit, "PatientName": ui.patientNameEdit}
        self._asking = [*self._tags.values(), ui.patientIdEditLabel, ui.patientNameEditLabel]

    @property
    def isRunning(self) -> bool:
        """Whether an export runs."""
        return self._export.isRunning

    def update(self, whyNotNow: str | None) -> None:
        """Show the parameters; `whyNotNow` says that other work is being done."""
        volumes = self._volumes()
        self._export.allow(whyNotNow or dicom_export.whyNot(*volumes))
        chosen = [node for node in volumes if node is not None]
        asks = len(chosen) == len(volumes) and not all(dicom.instancesOf(node) for node in chosen)
        for widget in self._asking:
            widget.visible = asks

    def onDicomButton(self) -> None:
        parent = qt.QFileDialog.getExistingDirectory(
            self._panel.parent, _("Choose the folder that the new DICOM folder is made in"), ""
        )
        if not parent:
            return
        parameters, (fixed, moving) = self._panel.parameters, self._volumes()
        merged = parameters.mergedVolume if isJoinedOf(parameters.mergedVolume, fixed, moving) else None
        tags = {keyword: edit.text.strip() for keyword, edit in self._tags.items() if edit.text.strip()}
        folder = dicom_export.freeFolder(Path(parent), fixed, moving)
        along = [node for node in placement.movedAlongWith(moving) if node.IsA("vtkMRMLSegmentationNode")]

        def begin(**how: Any) -> None:
            self._panel.logic.exportDicom(folder, fixed, moving, merged, along, tags, parameters.seamMm, **how)

        def done(exported: dicom_export.Exported) -> list[str]:
            if merged is None:
                said = _("The registration was written to {folder}; there is no merged volume of these two.")
            else:
                said = _("The registration and the merged volume were written to {folder}.")
            return [said.format(folder=exported.folder), *exported.warnings]

        self._export.run(begin, _("The DICOM files could not be written."), done)

    def _volumes(self) -> list[Any]:
        chosen = (self._panel.parameters.fixedVolume, self._panel.parameters.movingVolume)
        return [provenance.originalOf(node) or node for node in chosen]
