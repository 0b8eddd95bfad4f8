"""The configuration of a training run, read from a TOML file and checked before anything is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from SSPELib.errors import InputError

from .settings import merged, read_file, read_section, setting

SHIPPED = Path(__file__).parent / "configs"

Precision = Literal["32-true", "bf16-mixed"]
Compiling = Literal["no", "default", "max-autotune-no-cudagraphs"]


@dataclass(frozen=True)
class _ShapeConfig:
    """Constructor arguments that all generators have."""

    architecture: str
    base: int = 16
    depth: int = 4
    kernel_size: int = 3
    end_kernel_size: int = 3

    @property
    def arguments(self) -> dict[str, Any]:
        """What the constructor of the network is given."""
        return {name: value for name, value in asdict(self).items() if name != "architecture"}


@dataclass(frozen=True)
class ResUNetConfig(_ShapeConfig):
    """Generator of ResGAN."""

    architecture: Literal["ResUNet"] = "ResUNet"
    bottom_blocks: int = 6


@dataclass(frozen=True)
class TransUNetConfig(_ShapeConfig):
    """Generator of TransGAN or TransResGAN."""

    architecture: Literal["TransUNet", "TransResUNet"] = "TransUNet"
    layers: int = 12
    heads: int = 8


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The patch discriminator."""

    base: int = 16
    depth: int = 4


@dataclass(frozen=True)
class ScopeConfig:
    """The working grid and the sliding scope. Sizes in voxels (z, y, x).

    Attributes:
        spacing_mm: voxel size.
        size: slices, rows and columns.
        step: new slices a step.
        window_hu: HU that the network is shown; what lies outside is clipped.
        plane_in_use: least rows and columns that the network is given in use, instead of the scope's own: a wide plane
            costs time in training, a narrow one cuts off what grows out of it.
        fits_body: widen the rows and columns of every batch to its bodies, as in use. Planes of many sizes keep a GPU
            from its best.
        second_steps, third_steps: share of the batches in which the generator continues its own output of one or of
            two steps.
        shortest_context: slices of real context that a training scope has at least.
    """

    spacing_mm: float = setting(4.0, above=0)
    size: tuple[int, int, int] = (32, 64, 112)
    step: int = setting(16, above=0)
    window_hu: tuple[float, float] = (-1000.0, 2000.0)
    plane_in_use: tuple[int, int] | None = None
    fits_body: bool = False
    second_steps: float = setting(0.0, least=0, most=1)
    third_steps: float = setting(0.0, least=0, most=1)
    shortest_context: int = setting(10, above=0)

    def __post_init__(self) -> None:
        if self.step >= self.size[0]:
            raise ValueError(f"step {self.step} must be smaller than the {self.size[0]} slices of the scope")


@dataclass(frozen=True)
class LossConfig:
    """Weights of eq. 4 to 7; new_weight is lambda, body_weight (1 in the paper) that of the body against the air."""

    new_weight: float = 4.0
    body_weight: float = setting(1.0, above=0)
    gradient_matching: float = 1.0
    adversarial: float = 0.01
    feature_matching: float = 0.1


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of a training scope; each value is the largest.

    Of HU, noise_hu is the standard deviation in what the network sees; contrast (a share of the HU above air) and
    offset_hu change the slices that follow alike, as another scanner or contrast agent would.
    """

    flip_left_right: bool = True
    shift_mm: float = 24.0
    scale: float = 0.1
    rotation_degrees: float = 6.0
    tilt_degrees: float = 3.0
    noise_hu: float = 30.0
    warp_mm: float = 8.0
    contrast: float = setting(0.0, least=0, most=0.5)
    offset_hu: float = setting(0.0, least=0)


@dataclass(frozen=True)
class DataSource:
    """Volumes matching a pattern below the data root, drawn with a weight against the other sources.

    Attributes:
        pattern: from the data root, as torso/*.nii.gz.
        weight: how often it is drawn.
        exclude: parts of file names that are left out.
        shows: what the volumes show, for the model card.
        license: under which licences they are, for the model card.
    """

    pattern: str
    weight: float = 1.0
    exclude: tuple[str, ...] = ()
    shows: str = "not stated"
    license: str = "not stated"


@dataclass(frozen=True)
class DataConfig:
    """Where the volumes are."""

    sources: tuple[DataSource, ...] = setting(least=1)
    validation: tuple[DataSource, ...] = ()


@dataclass(frozen=True)
class CardConfig:
    """What the model card says that no figure can: limits of use, and the licence of the weights."""

    limits: str = "not stated"
    license: str = "not stated"


@dataclass(frozen=True)
class ScheduleConfig:
    """How long and how fast.

    Attributes:
        iterations: batches until the end.
        minutes: time until the end, if it comes first; validation and pieces that stop and go on are left out of it.
            The rates then follow the clock, so that such a run comes out a little different every time.
        batch: scopes a step and process.
        generator_rate, discriminator_rate: Adam's.
        warm_up: batches in which the rates rise from 0.
        cosine: whether the rates fall to 0 by the end.
        clip_norm: largest norm of a gradient.
        average_decay, average_warm_up: of the averaged weights.
    """

    iterations: int = setting(4000, above=0)
    minutes: float | None = None
    batch: int = setting(1, above=0)
    generator_rate: float = 4e-4
    discriminator_rate: float = 2e-4
    warm_up: int = 100
    cosine: bool = True
    clip_norm: float = 1.0
    average_decay: float = 0.999
    average_warm_up: int = 10


@dataclass(frozen=True)
class LoggingConfig:
    """What is written while it runs, every so many iterations."""

    log_every: int = setting(20, above=0)
    validate_every: int = setting(500, above=0)
    validation_scopes: int = setting(24, above=0)
    checkpoint_every: int = setting(250, above=0)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that defines a training run.

    Attributes:
        name: of the system.
        data, generator, discriminator, scope, losses, augmentation, schedule, logging, card: sections.
        output: folder of the results, from the file's own; runs/ and the file's name by default.
        seed: decides everything random.
        precision: bf16-mixed or 32-true.
        device: auto, cpu, cuda or mps.
        compile: mode of torch.compile for both networks.
        activation_checkpointing: compute activations again in the backward pass instead of keeping them.
        initial_weights: a file of weights to begin with, from the folder of the file that says so.
    """

    name: str
    data: DataConfig
    output: Path | None = None
    seed: int = 1
    precision: Precision = "bf16-mixed"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compile: Compiling = "no"
    generator: ResUNetConfig | TransUNetConfig = ResUNetConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    scope: ScopeConfig = ScopeConfig()
    losses: LossConfig = LossConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    logging: LoggingConfig = LoggingConfig()
    card: CardConfig = CardConfig()
    activation_checkpointing: bool = False
    initial_weights: Path | None = None

    def __post_init__(self) -> None:
        if any(size % self.multiple for size in self.scope.size):
            raise ValueError(
                f"scope.size {self.scope.size} must be multiples of {self.multiple}, 2 to the generator's depth"
            )

    @property
    def multiple(self) -> int:
        """Number that the sizes of a scope are multiples of."""
        return int(2**self.generator.depth)

    def with_minutes(self, minutes: float) -> TrainingConfig:
        """The same with a budget in minutes."""
        return replace(self, schedule=replace(self.schedule, minutes=minutes))

    def settings(self) -> dict[str, Any]:
        """All settings, defaults included, as a JSON file can hold them."""
        return dict(asdict(self, dict_factory=_plain))


def shipped_configurations() -> list[str]:
    """Names of the configurations that come with the library, as `lambda-ResGAN` and `paper/lambda-ResGAN`."""
    files = SHIPPED.rglob("*.toml")
    return sorted(file.relative_to(SHIPPED).with_suffix("").as_posix() for file in files if file.name != "base.toml")


def find_config(name_or_path: str | Path) -> Path:
    """Find a configuration: a shipped one by its name, any other by its path.

    Raises:
        InputError: it is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if path.as_posix() in shipped_configurations():
        return SHIPPED / f"{path.as_posix()}.toml"
    raise InputError(
        f"{name_or_path} is neither a file nor a shipped configuration; give the path of a .toml file or one of: "
        f"{', '.join(shipped_configurations())}."
    )


def read_config(path: Path, changes: dict[str, Any] | None = None) -> TrainingConfig:
    """Read and check a configuration.

    A file that says `extends = "other.toml"` (a path from its own folder) takes every setting from there that it does
    not have itself, section by section; that file may extend a further one. initial_weights, too, is a path from the
    folder of the file that has it.

    Args:
        path: a TOML file, or the JSON file that a run keeps.
        changes: settings that replace those of the file.

    Raises:
        InputError: a file is missing, cannot be parsed, extends itself, or holds an unknown or impossible setting.
    """
    try:
        return read_section(TrainingConfig, merged(_merged_settings(path), changes or {}))
    except InputError as error:
        if str(error).startswith("The configuration"):
            raise
        raise InputError(f"The configuration {path} has a wrong setting: {error}. Correct it.") from error


def _merged_settings(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read the settings of a file and of all that it extends, unchecked; below are the files that extend this one.

    Raises:
        InputError: a file is missing, cannot be parsed or extends itself.
    """
    if path.resolve() in below:
        raise InputError(f"The configuration {path} extends itself. Remove extends from one file of that circle.")
    settings = read_file(path)
    if settings.get("initial_weights") is not None:
        settings["initial_weights"] = str(path.resolve().parent / str(settings["initial_weights"]))
    extended = settings.pop("extends", None)
    if extended is None:
        return settings
    return merged(_merged_settings(path.parent / str(extended), (*below, path.resolve())), settings)


def _plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in pairs}
