"""The configuration of a training run, read from a TOML file and checked before anything is computed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from SSPELib.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


SHIPPED = Path(__file__).parent / "configs"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ShapeConfig(_Section):
    """Constructor arguments that all generators have."""

    architecture: str
    base: int = 16
    depth: int = 4
    kernel_size: int = 3
    end_kernel_size: int = 3

    @property
    def arguments(self) -> dict[str, Any]:
        """What the constructor of the network is given."""
        return self.model_dump(exclude={"architecture"})


class ResUNetConfig(_ShapeConfig):
    """Generator of ResGAN."""

    architecture: Literal["ResUNet"] = "ResUNet"
    bottom_blocks: int = 6


class TransUNetConfig(_ShapeConfig):
    """Generator of TransGAN or TransResGAN."""

    architecture: Literal["TransUNet", "TransResUNet"]
    layers: int = 12
    heads: int = 8


def _architecture(section: Any) -> str:
    return str(section.get("architecture", "ResUNet") if isinstance(section, dict) else section.architecture)


GeneratorConfig = Annotated[
    Annotated[ResUNetConfig, Tag("ResUNet")]
    | Annotated[TransUNetConfig, Tag("TransUNet")]
    | Annotated[TransUNetConfig, Tag("TransResUNet")],
    Discriminator(_architecture),
]
"""Which network, and its constructor arguments."""


class DiscriminatorConfig(_Section):
    """The patch discriminator."""

    base: int = 16
    depth: int = 4


class ScopeConfig(_Section):
    """The working grid and the sliding scope. Sizes in voxels (z, y, x)."""

    spacing_mm: float = Field(default=4.0, gt=0)
    size: tuple[int, int, int] = (32, 64, 112)
    step: int = Field(default=16, gt=0)
    window_hu: tuple[float, float] = (-1000.0, 2000.0)
    plane_in_use: tuple[int, int] | None = Field(
        default=None,
        description="least rows and columns that the network is given in use, instead of the scope's own: a wide plane "
        "costs time in training, a narrow one cuts off what grows out of it",
    )
    fits_body: bool = Field(
        default=False, description="widen the scope's rows and columns to the body, as in use; needs a batch of 1"
    )
    second_steps: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of scopes in which the generator continues its own output; needs a batch of 1",
    )
    shortest_context: int = Field(
        default=10, gt=0, description="slices of real context that a training scope has at least"
    )

    @model_validator(mode="after")
    def _step_within_scope(self) -> ScopeConfig:
        if self.step >= self.size[0]:
            raise ValueError(f"step {self.step} must be smaller than the {self.size[0]} slices of the scope")
        return self


class LossConfig(_Section):
    """Weights of eq. 4 to 7; new_weight is lambda, body_weight (1 in the paper) that of the body against the air."""

    new_weight: float = 4.0
    body_weight: float = Field(default=1.0, gt=0)
    gradient_matching: float = 1.0
    adversarial: float = 0.01
    feature_matching: float = 0.1


class AugmentationConfig(_Section):
    """Random changes of a training scope; each value is the largest."""

    flip_left_right: bool = True
    shift_mm: float = 24.0
    scale: float = 0.1
    rotation_degrees: float = 6.0
    tilt_degrees: float = 3.0
    noise_hu: float = 30.0
    warp_mm: float = 8.0


class DataSource(_Section):
    """Volumes matching a pattern below the data root, drawn with a weight against the other sources."""

    pattern: str
    weight: float = 1.0
    exclude: list[str] = []


class DataConfig(_Section):
    """Where the volumes are."""

    sources: list[DataSource] = Field(min_length=1)
    validation: list[DataSource] = []


class ScheduleConfig(_Section):
    """How long and how fast."""

    iterations: int = Field(default=4000, gt=0)
    batch: int = Field(default=1, gt=0)
    generator_rate: float = 4e-4
    discriminator_rate: float = 2e-4
    warm_up: int = 100
    cosine: bool = True
    clip_norm: float = 1.0
    average_decay: float = 0.999
    average_warm_up: int = 10


class LoggingConfig(_Section):
    """What is written while it runs, every so many iterations."""

    log_every: int = Field(default=20, gt=0)
    validate_every: int = Field(default=500, gt=0)
    validation_scopes: int = Field(default=24, gt=0)
    checkpoint_every: int = Field(default=250, gt=0)


Precision = Literal["32-true", "bf16-mixed"]


class TrainingConfig(_Section):
    """Everything that defines a training run."""

    name: str
    output: Path | None = Field(
        default=None, description="folder of the results, from the file's own; runs/ and the file's name by default"
    )
    seed: int = 1
    precision: Precision = "bf16-mixed"
    accelerator: str = "auto"
    devices: int | str = "auto"
    nodes: int = 1
    generator: GeneratorConfig = ResUNetConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    scope: ScopeConfig = ScopeConfig()
    losses: LossConfig = LossConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    data: DataConfig
    schedule: ScheduleConfig = ScheduleConfig()
    logging: LoggingConfig = LoggingConfig()
    activation_checkpointing: bool = Field(
        default=False, description="compute activations again in the backward pass instead of keeping them"
    )
    workers: int = Field(default=1, ge=0, description="processes that prepare scopes; 0 for none beside the main one")
    initial_weights: Path | None = Field(default=None, description="from the folder of the file that says so")

    @model_validator(mode="after")
    def _scope_can_be_halved(self) -> TrainingConfig:
        multiple = 2**self.generator.depth
        if any(size % multiple for size in self.scope.size):
            raise ValueError(
                f"scope.size {self.scope.size} must be multiples of {multiple}, 2 to the generator's depth"
            )
        return self

    @model_validator(mode="after")
    def _one_size_per_batch(self) -> TrainingConfig:
        if self.scope.fits_body and self.schedule.batch > 1:
            raise ValueError(
                f"scope.fits_body makes scopes of different sizes; set batch to 1, not {self.schedule.batch}"
            )
        if self.scope.second_steps > 0 and self.schedule.batch > 1:
            raise ValueError(f"scope.second_steps mixes lengths in a batch; set batch to 1, not {self.schedule.batch}")
        return self


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


def read_config(path: Path) -> TrainingConfig:
    """Read and check a configuration.

    A file that says `extends = "other.toml"` (a path from its own folder) takes every setting from there that it does
    not have itself, section by section; that file may extend a further one. initial_weights, too, is a path from the
    folder of the file that has it.

    Raises:
        InputError: a file is missing, is no TOML, extends itself, or holds an unknown or impossible setting.
    """
    try:
        return TrainingConfig.model_validate(_merged_settings(path))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(f"The configuration {path} has wrong settings: {faults}. Correct them.") from error


def _merged_settings(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read the settings of a file and of all that it extends, unchecked; below are the files that extend this one.

    Raises:
        InputError: a file is missing, is no TOML or extends itself.
    """
    if path.resolve() in below:
        raise InputError(f"The configuration {path} extends itself. Remove extends from one file of that circle.")
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read: {error.strerror}. Check the path.") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The configuration {path} is no valid TOML: {error}. Correct that line.") from error
    if "initial_weights" in settings:
        settings["initial_weights"] = str(path.resolve().parent / str(settings["initial_weights"]))
    extended = settings.pop("extends", None)
    if extended is None:
        return settings
    return _merged(_merged_settings(path.parent / str(extended), (*below, path.resolve())), settings)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both_sections = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merged(base[name], value) if both_sections else value
    return merged
