"""Training: the scopes that are cut, and a run that resumes as if it had never stopped."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from matplotlib.image import imread
from phantoms import torso, write
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from SSPELib.errors import Cancelled, DeviceError, InputError, SSPEError
from SSPELib.model.bundle import load_bundle
from SSPEResearch.training import run
from SSPEResearch.training.bundling import bundle_run
from SSPEResearch.training.config import AugmentationConfig, ScopeConfig, read_config
from SSPEResearch.training.data import ScopeDataset
from SSPEResearch.training.journal import sagittal_picture
from SSPEResearch.training.loop import MOST_SKIPPED_IN_A_ROW, Trainer, TrainingDiverged
from SSPEResearch.training.memory import measure
from SSPEResearch.training.run import make_trainer, train_from_file

SCOPE = ScopeConfig(size=(16, 16, 16), step=8, shortest_context=6)


def counting_volume(depth: int = 40) -> np.ndarray:
    """Every voxel of slice z holds 10 z HU."""
    return np.broadcast_to((np.arange(depth) * 10)[:, None, None], (depth, 20, 24)).astype(np.int16)


def test_scopes_are_one_step_apart_and_never_see_past_the_volume():
    dataset = ScopeDataset([(1.0, [counting_volume()])], SCOPE, None, seed=1, length=60)
    shortest = 16
    for number in range(len(dataset)):
        current, following = (part[0, :, 8, 8] * 1000 for part in dataset[number])
        assert (len(current), len(following)) == (16, 8)
        known = current > -1000
        shortest = min(shortest, int(known.sum()))
        values = torch.cat([current[known], following])
        steps = values.diff()
        # Real slices only, in order, in either direction; what lies before the volume's first slice is air.
        assert torch.allclose(steps.abs(), torch.full_like(steps, 10.0), atol=0.01)
        assert (steps > 0).all() or (steps < 0).all()
        assert values.min() > -0.01
        assert values.max() < 390.01
    assert shortest == SCOPE.shortest_context


def test_scope_number_is_the_same_scope_whatever_came_before():
    groups = [(1.0, [counting_volume()]), (2.0, [counting_volume(50)])]
    first = ScopeDataset(groups, SCOPE, AugmentationConfig(), seed=1, length=9)
    again = ScopeDataset(groups, SCOPE, AugmentationConfig(), seed=1, length=9)
    assert all(torch.equal(a, b) for a, b in zip([*first[3], *first[7]], [*again[3], *again[7]], strict=True))
    other = ScopeDataset(groups, SCOPE, AugmentationConfig(), seed=2, length=9)
    assert not torch.equal(first[3][0], other[3][0])


def test_scopes_fitted_to_the_body_hold_all_of_it_and_no_less_than_the_least_size():
    volume = np.full((40, 60, 100), -1000, np.int16)
    volume[:, 4:54, 10:30] = 40
    scope = ScopeConfig(size=(16, 32, 48), step=8, shortest_context=16, fits_body=True)
    current, following = ScopeDataset([(1.0, [volume])], scope, None, seed=1, length=1)[0]
    # 50 rows and 3 voxels on either side make 64, a multiple of 16; 20 columns fit into the least number.
    assert current.shape == (1, 16, 64, 48)
    assert following.shape == (1, 8, 64, 48)
    assert int((current[0, 0] > 0).sum()) == 50 * 20


def test_second_steps_bring_two_steps_of_following_slices_where_the_volume_has_them():
    scope = ScopeConfig(size=(16, 16, 16), step=8, shortest_context=6, second_steps=1.0)
    plain = AugmentationConfig(
        flip_left_right=False, shift_mm=0, scale=0, rotation_degrees=0, tilt_degrees=0, noise_hu=0, warp_mm=0
    )
    long, short = (ScopeDataset([(1.0, [counting_volume(n)])], scope, plain, seed=1, length=20) for n in (40, 20))
    for number in range(20):
        current, following = (part[0, :, 8, 8] * 1000 for part in long[number])
        assert len(following) == 16
        assert torch.allclose(torch.cat([current[-1:], following]).diff().abs(), torch.full((16,), 10.0), atol=0.01)
        assert short[number][1].shape[1] == 8


def configuration(folder: Path, iterations: int, **schedule: object) -> Path:
    """A tiny run on one phantom; returns the path of its TOML file."""
    data = folder / "data"
    if not data.exists():
        data.mkdir(parents=True)
        write(torso(), data / "one.nii.gz")
    settings = {"iterations": iterations, "cosine": "false", "warm_up": 1, **schedule}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    path = folder / "run.toml"
    path.write_text(
        f"""
name = "tiny"
output = "run"
precision = "32-true"
[generator]
base = 2
depth = 2
bottom_blocks = 1
[discriminator]
base = 2
depth = 2
[scope]
size = [16, 16, 16]
step = 8
shortest_context = 6
[data]
sources = [{{ pattern = "one.nii.gz" }}]
validation = [{{ pattern = "one.nii.gz" }}]
[schedule]
{lines}
[logging]
log_every = 1
validate_every = 4
validation_scopes = 2
checkpoint_every = 4
""",
        encoding="utf-8",
    )
    return path


def rows(file: Path) -> list[dict[str, float]]:
    """A log without its time column."""
    with file.open() as stream:
        return [
            {name: float(value) for name, value in row.items() if name != "seconds_per_iteration"}
            for row in csv.DictReader(stream)
        ]


def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path, monkeypatch):
    logs = {}
    for name, stops in (("whole", [8]), ("resumed", [4, 8])):
        folder = tmp_path / name
        monkeypatch.setenv("SSPE_DATA", str(folder / "data"))
        for stop in stops:
            train_from_file(configuration(folder, stop))
        logs[name] = rows(folder / "run" / "losses.csv"), rows(folder / "run" / "validation.csv")
    assert len(logs["whole"][0]) == 8
    assert logs["resumed"] == logs["whole"]
    assert logs["whole"][0][0]["rec"] != logs["whole"][0][-1]["rec"]


def test_losses_between_two_rows_of_the_log_survive_an_interruption(tmp_path, monkeypatch):
    plain = Trainer.step

    def interrupted(self: Trainer, *scopes: torch.Tensor) -> dict[str, float]:
        if self.iteration == 5:
            raise KeyboardInterrupt
        return plain(self, *scopes)

    logs = []
    for name in ("whole", "resumed"):
        folder = tmp_path / name
        monkeypatch.setenv("SSPE_DATA", str(folder / "data"))
        path = configuration(folder, 8, cosine="true")
        path.write_text(path.read_text(encoding="utf-8").replace("log_every = 1", "log_every = 3"), encoding="utf-8")
        if name == "resumed":
            monkeypatch.setattr(Trainer, "step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train_from_file(path)
            monkeypatch.setattr(Trainer, "step", plain)
        logs.append(rows(train_from_file(path) / "losses.csv"))
    # The checkpoint is of iteration 4; the row of 6 has losses from before and after it.
    assert [row["iteration"] for row in logs[0]] == [3, 6, 8]
    assert logs[1] == logs[0]


def test_a_skipped_step_of_the_discriminator_leaves_the_columns_of_the_log_in_place(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(Trainer, "_update", lambda self, network, loss: network != "discriminator")
    [first, *_] = rows(train_from_file(configuration(tmp_path, 4)) / "losses.csv")
    assert list(first) == ["iteration", "rec", "gm", "disc", "adv", "fm", "generator_skipped", "discriminator_skipped"]
    assert np.isnan([first["adv"], first["fm"]]).all()


def test_rows_written_after_the_last_checkpoint_are_not_there_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    folder = train_from_file(configuration(tmp_path, 4))
    with (folder / "losses.csv").open("a") as stream:
        stream.write("5,0,0,0,0,0,0,0,0\n6,0,0,0,0,0,0,0,0\n")
    train_from_file(configuration(tmp_path, 6))
    found = rows(folder / "losses.csv")
    assert [row["iteration"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert all(row["rec"] > 0 for row in found)


def test_pictures_and_tensorboard_curves_are_written_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    folder = train_from_file(configuration(tmp_path, 8))
    pictures = sorted(file.name for file in (folder / "samples").iterdir())
    assert pictures == ["one_nii_gz-000004.png", "one_nii_gz-000008.png"]
    picture = imread(folder / "samples" / pictures[0])
    # Three planes of 16 x 16 voxels with gaps of 2, 3 pixels a voxel.
    assert picture.shape[:2] == (48, 3 * (3 * 16 + 2 * 2))
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("losses/rec")] == list(range(1, 9))
    assert [event.step for event in events.Scalars("validation/one.nii.gz")] == [4, 8]


def test_a_picture_shows_the_middle_plane_with_growth_upward():
    scope = np.full((4, 5, 6), -1000.0)
    scope[3, :, 3] = 800.0
    scope[0, 0, 3] = 150.0
    picture = sagittal_picture([scope, scope])[::3, ::3]
    assert picture.shape == (4, 5 + 2 + 5)
    assert (picture[0] == 255).all()
    assert picture[3, 0] == picture[3, 7] == 127
    assert (picture[1:, 1:5] == 0).all()


def test_two_processes_learn_as_one_with_twice_the_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    together = train_from_file(configuration(tmp_path, 1, batch=2), tmp_path / "together")
    program = tmp_path / "sspe.py"
    program.write_text("from SSPELib.cli.app import main; raise SystemExit(main())")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*launcher, program, "train", configuration(tmp_path, 1, batch=1), "--output", tmp_path / "apart"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    one, two = (torch.load(run / "last.ckpt", weights_only=True) for run in (together, tmp_path / "apart"))
    for network in ("generator", "discriminator"):
        # After the first step Adam's first moment is the gradient times a constant.
        gradients = [
            torch.cat([moment["exp_avg"].flatten() for moment in saved[f"{network}_optimizer"]["state"].values()])
            for saved in (one, two)
        ]
        assert float((gradients[0] - gradients[1]).norm() / gradients[0].norm()) < 1e-4
    losses = [rows(run / "losses.csv")[0] for run in (together, tmp_path / "apart")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3, abs=1e-5)


def test_memory_of_a_step_is_measured_in_a_process_of_its_own(tmp_path):
    found = measure(configuration(tmp_path, 1))
    assert 0 < found.before_gb <= found.peak_gb < 4
    assert found.seconds > 0
    assert found.precision == "32-true"


@pytest.mark.parametrize(
    ("accelerator", "device", "has_bf16", "expected"),
    [
        ("cpu", "cuda", False, "32-true"),
        ("auto", "cpu", False, "32-true"),
        ("auto", "cpu", True, "bf16-mixed"),
        ("auto", "cuda", False, "bf16-mixed"),
        ("gpu", "cuda", False, "bf16-mixed"),
    ],
)
def test_bf16_is_not_imitated_by_a_cpu_without_it(tmp_path, monkeypatch, accelerator, device, has_bf16, expected):
    monkeypatch.setattr(run, "choose_device", lambda name: (torch.device(device), None))
    monkeypatch.setattr(run, "computes_bf16", lambda: has_bf16)
    config = read_config(configuration(tmp_path, 1))
    wanted = config.model_copy(update={"accelerator": accelerator, "precision": "bf16-mixed"})
    assert run.usable_precision(wanted) == expected
    assert run.usable_precision(config) == "32-true"


def test_generator_and_discriminator_both_learn(tmp_path):
    config = read_config(configuration(tmp_path, 1))
    trainer = make_trainer(config, Fabric(accelerator="cpu", devices=1), tmp_path)
    before = {name: p.clone() for name, p in trainer.generator.named_parameters()}
    judge = {name: p.clone() for name, p in trainer.discriminator.named_parameters()}
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.randn(1, 1, 8, 16, 16)
    for _ in range(2):
        losses = trainer.step(scope, following)
    assert set(losses) == {"rec", "gm", "disc", "adv", "fm"}
    assert any(not torch.equal(before[name], p) for name, p in trainer.generator.named_parameters())
    assert any(not torch.equal(judge[name], p) for name, p in trainer.discriminator.named_parameters())


def test_the_second_step_starts_from_what_the_generator_made_of_the_first(tmp_path):
    config = read_config(configuration(tmp_path, 1))
    trainer = make_trainer(config, Fabric(accelerator="cpu", devices=1), tmp_path)
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.randn(1, 1, 16, 16, 16)
    advanced, target = trainer._advanced(scope, following)
    with torch.no_grad():
        made = trainer.averaged(scope)[:, :, -8:]
    assert torch.equal(advanced, torch.cat([scope[:, :, 8:], made], dim=2))
    assert torch.equal(target, torch.cat([made, following[:, :, 8:]], dim=2))


def test_a_loss_that_stays_non_finite_ends_the_run_and_keeps_the_weights(tmp_path):
    config = read_config(configuration(tmp_path, 1))
    trainer = make_trainer(config, Fabric(accelerator="cpu", devices=1), tmp_path)
    before = {name: value.clone() for name, value in trainer.generator.state_dict().items()}
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.full((1, 1, 8, 16, 16), float("nan"))
    for _ in range(MOST_SKIPPED_IN_A_ROW):
        trainer.step(scope, following)
    with pytest.raises(TrainingDiverged, match="not finite"):
        trainer.step(scope, following)
    assert all(torch.equal(before[name], value) for name, value in trainer.generator.state_dict().items())


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    trainer = make_trainer(read_config(configuration(tmp_path, 1)), Fabric(accelerator="cpu", devices=1), tmp_path)
    trainer.save(tmp_path / "last.ckpt")
    before = (tmp_path / "last.ckpt").read_bytes()

    def full_disk(path: Path, state: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer.fabric, "save", full_disk)
    with pytest.raises(SSPEError, match="No space left on device"):
        trainer.save(tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_a_run_becomes_a_bundle_that_says_how_it_was_trained_and_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    path = configuration(tmp_path, 4)
    path.write_text(path.read_text().replace("step = 8", "step = 8\nplane_in_use = [32, 48]"))
    run = train_from_file(path)
    bundle = load_bundle(bundle_run(run, tmp_path / "model").folder)
    assert bundle.card.scope == (16, 32, 48)
    assert bundle.card.training["scope"] == [16, 16, 16]
    assert bundle.card.training["iterations"] == 4
    assert bundle.card.training["started_from"] == "random weights"
    figures = bundle.card.held_out["one.nii.gz, 64 mm"]
    assert figures["cases"] >= 2
    assert figures["error_hu"] > 0

    def cancel(fraction: float, _: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        bundle_run(run, tmp_path / "stopped", cancel)
    assert list((tmp_path / "stopped").iterdir()) == []
    unmeasured = load_bundle(bundle_run(run, tmp_path / "unmeasured", measured=False).folder)
    assert unmeasured.card.held_out == {}
    assert unmeasured.card.weights_sha256 == bundle.card.weights_sha256
    saved = torch.load(run / "last.ckpt", weights_only=True)["averaged"]
    network = bundle.network(torch.device("cpu"))
    for name, value in network.state_dict().items():
        assert torch.allclose(value, saved[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "no valid TOML"),
        ('name = "x"\noutput = "y"\n[data]\nsources = []\n[scope]\nstep = 40', "must be smaller than the 32 slices"),
        ('name = "x"\noutput = "y"\nspeed = 3\n[data]\nsources = []', "speed"),
        ('name = "x"\n[data]\nsources = []', "data.sources"),
        ('name = "x"\n[data]\nsources = [{pattern = "a"}]\n[scope]\nsize = [32, 64, 100]', "multiples of 16"),
        ('name = "x"\n[data]\nsources = [{pattern = "a"}]\n[logging]\nlog_every = 0', "logging.log_every"),
    ],
)
def test_wrong_configuration_names_the_fault(tmp_path, text, message):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_config(path)


def test_missing_data_names_the_pattern(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "empty"))
    with pytest.raises(InputError, match=r"No volume matches one\.nii\.gz"):
        train_from_file(_without_data(configuration(tmp_path, 1)))


def _damaged_volume(path: Path) -> None:
    volume = path.parent / "data" / "one.nii.gz"
    volume.write_bytes(volume.read_bytes()[:-100])


def _damaged_checkpoint(path: Path) -> None:
    (path.parent / "run").mkdir()
    (path.parent / "run" / "last.ckpt").write_bytes(b"no checkpoint")


def _with(old: str, new: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (_damaged_volume, InputError, r"one\.nii\.gz is damaged"),
        (_damaged_checkpoint, InputError, r"last\.ckpt is damaged or does not fit"),
        (
            _with("precision", 'initial_weights = "gone.pt"\nprecision'),
            InputError,
            r"initial weights .*gone\.pt are missing",
        ),
        (_with("shortest_context = 6", "shortest_context = 80"), InputError, r"as long as .* 352 mm; give longer ones"),
        (_with("precision", 'accelerator = "abacus"\nprecision'), DeviceError, "does not have accelerator 'abacus'"),
    ],
)
def test_what_keeps_a_training_from_beginning_is_one_sentence(tmp_path, monkeypatch, spoil, error, message):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    path = configuration(tmp_path, 1)
    spoil(path)
    with pytest.raises(error, match=message):
        train_from_file(path)


def test_a_checkpoint_of_another_network_is_not_resumed(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    train_from_file(configuration(tmp_path, 1))
    path = configuration(tmp_path, 2)
    _with("base = 2", "base = 4")(path)
    with pytest.raises(InputError, match="does not fit the networks"):
        train_from_file(path)


def _without_data(path: Path) -> Path:
    (path.parent / "data" / "one.nii.gz").unlink()
    return path


def test_all_settings_are_kept_beside_the_results(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    configuration(tmp_path, 1)
    path = tmp_path / "further.toml"
    path.write_text('extends = "run.toml"\nseed = 3', encoding="utf-8")
    folder = train_from_file(path, tmp_path / "elsewhere")
    assert folder == tmp_path / "elsewhere"
    kept = read_config(folder / "config.toml")
    assert kept.seed == 3
    assert kept == read_config(path)
    # A default that changes later does not change what the run was.
    assert f"average_decay = {kept.schedule.average_decay}\n" in (folder / "config.toml").read_text(encoding="utf-8")
