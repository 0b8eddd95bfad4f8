"""Model bundles: a folder with weights.pt (float16) and model.json, verified before use."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from .networks import UNet

DEFAULT_MODEL = "lambda-ResGAN"
CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.pt"
REINSTALL = "Reinstall SSPE, or choose another model folder."


@dataclass(frozen=True)
class ModelCard:
    """What model.json says of a model.

    Attributes:
        name: name of the system in the paper's terms.
        architecture: class of the generator, with arguments its constructor takes.
        spacing_mm: voxel size of the working grid, mm.
        scope: slices, and least rows and columns, that the network is given (z, y, x), voxels.
        step: new slices a step.
        window_hu: HU range that the network knows.
        weights_sha256: hash of weights.pt.
        error_by_distance: pairs (distance from the edge in mm, mean absolute error in HU) of synthetic body voxels.
        training, held_out, limits: training data, held-out figures and limits, for people.
        license, research_use: how it may be used.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any]
    spacing_mm: float
    scope: tuple[int, int, int]
    step: int
    window_hu: tuple[float, float]
    weights_sha256: str
    error_by_distance: tuple[tuple[float, float], ...]
    training: Mapping[str, Any]
    held_out: Mapping[str, Any]
    limits: str
    license: str
    research_use: str

    @property
    def scope_mm(self) -> float:
        """Length of a scope along the body, mm."""
        return self.scope[0] * self.spacing_mm

    @property
    def step_mm(self) -> float:
        """Length that one step adds, mm."""
        return self.step * self.spacing_mm


@dataclass(frozen=True)
class ModelBundle:
    """A verified model on disk."""

    card: ModelCard
    folder: Path

    def network(self, device: torch.device) -> nn.Module:
        """Build the generator, load its weights strictly and move it to a device, ready to predict.

        Raises:
            ModelError: the architecture is unknown or the weights do not fit it.
        """
        import torch

        from .prediction import ready

        network = build_generator(self.card.architecture, self.card.step, self.card.arguments)
        try:
            state = torch.load(self.folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
            network.load_state_dict({name: value.float() for name, value in state.items()}, strict=True)
        except Exception as error:
            raise ModelError(
                f"The weights in {self.folder} do not fit the network that its {CARD_FILE} describes. {REINSTALL}"
            ) from error
        return ready(network, device)


def build_generator(architecture: str, step: int, arguments: Mapping[str, Any]) -> UNet:
    """Build a generator with random weights.

    Raises:
        ModelError: the architecture is unknown.
    """
    from .networks import GENERATORS

    if architecture not in GENERATORS:
        raise ModelError(f"The network {architecture!r} is unknown. Known are {', '.join(GENERATORS)}.")
    return GENERATORS[architecture](step=step, **arguments)


def models_folder() -> Path:
    """The folder of the bundled models: beside the library in the extension, inside it when installed as a wheel."""
    library = Path(__file__).resolve().parents[1]
    beside = library.parent / "Resources" / "Models"
    return beside if beside.is_dir() else library / "Models"


def list_bundles() -> list[str]:
    """Names of the bundled models."""
    return sorted(card.parent.name for card in models_folder().glob(f"*/{CARD_FILE}"))


def load_bundle(name_or_folder: str | Path | None = None) -> ModelBundle:
    """Find and verify a model: a bundled one by name, any other by its folder; the default where none is named.

    Raises:
        ModelError: model.json or weights.pt is missing, damaged or changed.
    """
    wanted = str(name_or_folder) if name_or_folder is not None else DEFAULT_MODEL
    folder = models_folder() / wanted
    if name_or_folder is not None and Path(wanted).is_dir():
        folder = Path(wanted)
    if not folder.is_dir():
        raise ModelError(
            f"The model {wanted!r} is neither bundled nor a folder. Bundled are: {', '.join(list_bundles()) or 'none'}."
        )
    card = _read_card(folder / CARD_FILE)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise ModelError(f"The model {folder.name} has no weights: {weights} is missing. {REINSTALL}")
    if _sha256(weights) != card.weights_sha256:
        raise ModelError(
            f"The weights {weights} are damaged or were changed: their SHA-256 is not that of {CARD_FILE}. {REINSTALL}"
        )
    return ModelBundle(card, folder)


def save_bundle(folder: Path, card: ModelCard, state: Mapping[str, Tensor]) -> ModelBundle:
    """Write a bundle, its weights as float16; the hash in the card is filled in.

    Raises:
        InputError: the folder cannot be made or written.
    """
    import torch

    from ..io.writing import Outputs, make_folder

    make_folder(folder)
    with Outputs() as outputs:
        weights = outputs.beside(folder / WEIGHTS_FILE)
        torch.save({name: value.detach().cpu().half().contiguous() for name, value in state.items()}, weights)
        card = dataclasses.replace(card, weights_sha256=_sha256(weights))
        description = json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False)
        outputs.text(f"{description}\n", folder / CARD_FILE)
    return ModelBundle(card, folder)


def _read_card(path: Path) -> ModelCard:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["scope"] = tuple(fields["scope"])
        fields["window_hu"] = tuple(fields["window_hu"])
        fields["error_by_distance"] = tuple((float(mm), float(hu)) for mm, hu in fields["error_by_distance"])
        return ModelCard(**fields)
    except OSError as error:
        raise ModelError(f"The model description {path} cannot be read: {error.strerror}. {REINSTALL}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"The model description {path} is damaged: {error}. {REINSTALL}") from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
