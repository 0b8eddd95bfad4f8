"""DICOM objects as archives take them: spatial registrations, CT series and segmentations. Needs the extra `dicom`."""
