"""What the unit tests share: a small torso, whole and in halves, a tiny model, `sspe`, and where the CT data are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from command_line import Run
from hypothesis import settings
from phantoms import torso, write

from SSPELib import tasks
from SSPELib.cli.app import main
from SSPELib.model import bundle
from SSPELib.model.bundle import ModelBundle, ModelCard, build_generator, save_bundle
from SSPELib.volume import Volume, slices

settings.register_profile("project", max_examples=50, deadline=None, derandomize=True)
settings.load_profile("project")
# The networks of the tests are so small that threads would only wait for each other, and tests run side by side.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_models() -> Iterator[None]:
    """No test sees the models that another one has loaded."""
    tasks.forget_models()
    yield
    tasks.forget_models()


@pytest.fixture(autouse=True)
def same_excepthook() -> Iterator[None]:
    """The command line puts in its own; that of the Slicer harness must go on recording in the tests that follow."""
    hook = sys.excepthook
    yield
    sys.excepthook = hook


@pytest.fixture(scope="session")
def small_torso() -> Volume:
    """A torso of 200 mm along the body."""
    return torso()


@pytest.fixture
def torso_file(tmp_path: Path, small_torso: Volume) -> Path:
    """The small torso as NIfTI."""
    return write(small_torso, tmp_path / "torso.nii.gz")


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    """Two parts of a torso with 40 mm of overlap."""
    whole = torso(size=(48, 36, 64), spacing=(8, 8, 5))
    upper = write(slices(whole, 28, 64), tmp_path / "upper.nii.gz")
    lower = slices(torso(size=(48, 36, 64), spacing=(8, 8, 5), seed=1), 0, 36)
    return upper, write(lower, tmp_path / "lower.nii.gz")


@pytest.fixture
def run(run_without_model: Run, monkeypatch: pytest.MonkeyPatch, tiny_bundle: ModelBundle) -> Run:
    """Run `sspe` in this process with the tiny model as the bundled one."""
    load = bundle.load_bundle
    monkeypatch.setattr(bundle, "load_bundle", lambda name=None: load(name or tiny_bundle.folder))
    return run_without_model


@pytest.fixture
def run_without_model(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command of `sspe` in this process that needs no model."""

    def call(*arguments: object) -> SimpleNamespace:
        code = main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return call


@pytest.fixture(scope="session")
def ct_data() -> Path:
    """The folder of CT volumes (SSPE_DATA, or ../shared/data beside the repository); skips without it."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("SSPE_DATA", root.parent / "shared" / "data"))
    if not (folder / "openkbp").is_dir():
        pytest.skip(f"no CT data in {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A small generator, seeded, that has learned for a second to go on with a cylinder as it is."""
    torch.manual_seed(3)
    arguments = {"base": 4, "depth": 2, "bottom_blocks": 1}
    network = build_generator("ResUNet", 8, arguments)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    axis = torch.arange(24) - 11.5
    for _ in range(150):
        radius, shift, depth = 3 + 8 * torch.rand(1), 4 * torch.rand(2) - 2, int(torch.randint(0, 12, (1,)))
        distance = torch.hypot(axis[:, None] - shift[0], axis - shift[1])
        plane = torch.where(distance < radius, 0.05, -1.0) + torch.where(distance < radius / 4, 0.6, 0.0)
        target = plane.expand(1, 1, 16, -1, -1)
        scope = torch.cat([torch.full_like(target[:, :, :depth], -1.0), target[:, :, depth:]], dim=2)
        optimizer.zero_grad()
        (network(scope) - target).abs().mean().backward()
        optimizer.step()
    card = ModelCard(
        name="tiny",
        architecture="ResUNet",
        arguments=arguments,
        spacing_mm=4.0,
        scope=(16, 16, 16),
        step=8,
        window_hu=(-1000.0, 2000.0),
        weights_sha256="",
        error_by_distance=((4.0, 60.0), (32.0, 150.0), (64.0, 200.0)),
        training={"data": "cylinders, for tests"},
        held_out={},
        limits="for tests",
        license="Apache-2.0",
        research_use="Research use only.",
    )
    return save_bundle(tmp_path_factory.mktemp("models") / "tiny", card, network.state_dict())
