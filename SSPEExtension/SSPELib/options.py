"""Every option of SSPE: its default, its range or choices, its unit and the sentence for the user, once.

Panels take their tool tips, ranges, choices and defaults from these classes, the command line its help, and the jobs of
the background process are them. The file needs the standard library alone, as it is read while Slicer starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar, get_args

from .errors import InputError

# The files that volumes are read from, for help and messages.
VOLUME_FILES = ".nii, .nii.gz, .nrrd, .mha, .mhd or a DICOM folder"

Spacing = Literal["fixed", "finer"]
Direction = Literal["inferior", "superior", "both"]
Start = Literal["header", "unknown"]
TransformType = Literal["rigid", "affine"]
BackendName = Literal["automatic", "brainsfit", "simpleitk"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]

Self = TypeVar("Self", bound="Options")


def _(text: str) -> str:
    """Mark a text that panels show in the user's language; tools that collect texts for translators go by this name."""
    return text


@dataclass(frozen=True)
class Option:
    """What is to be known of one option.

    Attributes:
        default: the value where none is given.
        sentence: what it does, for the user.
        choices: the values that it may have; empty where any is right.
        words: the choices as panels name them, in the same order.
        low, high: least and greatest value of a number, both allowed.
        unit: of a number.
    """

    default: Any
    sentence: str
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def check(self, name: str, value: Any) -> None:
        """Raise InputError where a value is not allowed."""
        shown = name.removesuffix(f"_{self.unit}").replace("_", " ")
        if self.choices and value not in self.choices:
            raise InputError(f"The {shown} {value!r} is unknown. Choose one of {', '.join(self.choices)}.")
        if self.low is None or self.high is None:
            return
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise InputError(
                f"The {shown} is {value} {self.unit}, but it must be {self.low:g} to {self.high:g} {self.unit}; choose "
                f"for example {self.default:g}."
            )


def _option(option: Option) -> Any:
    return field(default=option.default, metadata={"option": option})


DISTANCE = Option(
    64.0,
    _("How far a volume is expanded at each end that grows; the farther, the less the new slices can be trusted."),
    low=4.0,
    high=400.0,
    unit="mm",
)
MODEL = Option(None, _("The network that makes slices: a bundled model, or a folder with model.json and weights.pt."))
DEVICE = Option(
    "auto",
    _("Where to compute; automatic takes a GPU that PyTorch can use, and the CPU otherwise."),
    choices=get_args(DeviceName),
    words=(_("Automatic"), _("CPU"), _("NVIDIA GPU (CUDA)"), _("Apple GPU (MPS)")),
)

# How many parts of one body are stitched at once.
FEWEST_PARTS, MOST_PARTS = 2, 10


class Options:
    """What all options have in common; the classes below are frozen data classes whose fields are `Option`s."""

    @classmethod
    def option(cls, name: str) -> Option:
        """Return what is to be known of a field."""
        found: Option = cls.__dataclass_fields__[name].metadata["option"]  # type: ignore[attr-defined]
        return found

    def check(self) -> None:
        """Raise InputError where a value is not allowed."""
        for one in fields(self):  # type: ignore[arg-type]
            one.metadata["option"].check(one.name, getattr(self, one.name))

    def as_dict(self) -> dict[str, Any]:
        """Return the values by their names, as JSON takes them."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls: type[Self], values: Mapping[str, Any]) -> Self:
        """Return the options with some values by their names; the others have their defaults.

        Raises:
            InputError: a name is unknown, or a value not allowed.
        """
        known = [one.name for one in fields(cls)]  # type: ignore[arg-type]
        for name in values:
            if name not in known:
                raise InputError(f"The option {name!r} is unknown. Choose among {', '.join(known)}.")
        options = cls(**values)
        options.check()
        return options


@dataclass(frozen=True, kw_only=True)
class ReadOptions(Options):
    """How a file or folder is read."""

    series: str | None = _option(
        Option(None, "Which series of a folder with several: its series number or series instance UID.")
    )
    assume_lps: bool = _option(
        Option(
            False,
            "Go on with a file that has no orientation or no spacing: its axes are taken for left, posterior, "
            "superior, its spacing for 1 mm.",
        )
    )


@dataclass(frozen=True, kw_only=True)
class ExpandOptions(Options):
    """How a volume is expanded."""

    direction: Direction = _option(
        Option("inferior", "Which end grows: toward the feet, toward the head, or both.", choices=get_args(Direction))
    )
    distance_mm: float = _option(DISTANCE)
    model: str | None = _option(MODEL)
    device: DeviceName = _option(DEVICE)


@dataclass(frozen=True, kw_only=True)
class RegisterOptions(Options):
    """How two volumes are registered."""

    transform_type: TransformType = _option(
        Option(
            "rigid",
            _("Rigid: the same person, moved and turned; affine also scales and shears, for where sizes differ."),
            choices=get_args(TransformType),
            words=(_("Rigid"), _("Affine")),
        )
    )
    start: Start = _option(
        Option(
            "header",
            _(
                "Where the search begins: at the positions in the headers where both volumes are of one session, or "
                "unknown, all along the body, where these mean nothing."
            ),
            choices=get_args(Start),
            words=(_("Scanner positions (headers)"), _("Unknown: end to end along the body")),
        )
    )
    expand: bool = _option(
        Option(
            True,
            _("Expand volumes that are not expanded yet, for the search only; needed where they hardly overlap."),
        )
    )
    distance_mm: float = _option(DISTANCE)
    backend: BackendName = _option(
        Option(
            "automatic",
            _("What refines the result on real voxels; automatic takes BRAINSFit in Slicer and SimpleITK elsewhere."),
            choices=get_args(BackendName),
            words=(_("Automatic"), "BRAINSFit", "SimpleITK"),
        )
    )
    tolerance_mm: float = _option(
        Option(
            10.0,
            _("The error that can be tolerated: a result is called reliable where its error bound is at most that."),
            low=1.0,
            high=50.0,
            unit="mm",
        )
    )
    model: str | None = _option(MODEL)
    device: DeviceName = _option(DEVICE)

    @property
    def expansion(self) -> ExpandOptions:
        """How the volumes are expanded for the search."""
        return ExpandOptions(direction="both", distance_mm=self.distance_mm, model=self.model, device=self.device)


@dataclass(frozen=True, kw_only=True)
class MergeOptions(Options):
    """How two registered volumes become one."""

    seam_mm: float = _option(
        Option(10.0, _("Width of the soft seam in the middle of the overlap."), low=0.0, high=100.0, unit="mm")
    )
    spacing: Spacing = _option(
        Option(
            "fixed",
            _(
                "Spacing of the result: that of the fixed volume, whose voxels then stay as they are, or the finer of "
                "both along each axis."
            ),
            choices=get_args(Spacing),
            words=(_("As the fixed volume"), _("The finer of both")),
        )
    )
    fill_gap: bool = _option(Option(False, _("Fill a gap between the volumes with synthetic slices of both, marked.")))
    accept_unreliable: bool = _option(Option(False, _("Merge also where the registration is not reliable.")))
    model: str | None = _option(MODEL)
    device: DeviceName = _option(DEVICE)
