"""CTK widgets to the extent that scripted modules use them, with CTK's property, signal and method names."""

from ..strict_namespace import StrictNamespace
from .buttons import ctkCheckBox, ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkPushButton
from .choices import ctkComboBox, ctkMessageBox
from .paths import ctkDirectoryButton, ctkPathLineEdit
from .sliders import ctkDoubleSlider, ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget

WIDGETS = (
    ctkCheckBox,
    ctkCollapsibleButton,
    ctkCollapsibleGroupBox,
    ctkComboBox,
    ctkDirectoryButton,
    ctkDoubleSlider,
    ctkDoubleSpinBox,
    ctkMessageBox,
    ctkPathLineEdit,
    ctkPushButton,
    ctkRangeWidget,
    ctkSliderWidget,
)


def build() -> StrictNamespace:
    """Returns the `ctk` module."""
    return StrictNamespace(
        "ctk",
        "CTK has no such class, or the harness does not cover it",
        **{widget.__name__: widget for widget in WIDGETS},
    )
