"""DICOM: headers, folders, series, stacks, pixels, each to the next, up to a volume."""

from .choosing import choose, why_not_ct
from .folder import Contents, Series, search
from .plane import Header
from .reading import read_file, read_folder, read_stack

__all__ = ["Contents", "Header", "Series", "choose", "read_file", "read_folder", "read_stack", "search", "why_not_ct"]
