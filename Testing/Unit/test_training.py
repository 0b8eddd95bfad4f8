"""Training: runs that resume as if they had never stopped, and the model bundles that they become."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import configuration

from SSPELib.errors import Cancelled, DeviceError, InputError, SSPEError
from SSPELib.model.bundle import load_bundle
from SSPEResearch.training import checkpoint, machine
from SSPEResearch.training.bundling import bundle_run
from SSPEResearch.training.config import read_config
from SSPEResearch.training.game import Game
from SSPEResearch.training.journal import sagittal_picture
from SSPEResearch.training.loop import MOST_SKIPPED_IN_A_ROW, Trainer, TrainingDiverged
from SSPEResearch.training.machine import Machine
from SSPEResearch.training.preparing import prepared_once
from SSPEResearch.training.run import output_folder, train
from SSPEResearch.training.scopes import ScopeSampler

CPU = Machine(torch.device("cpu"), "32-true")
LEARNING = ("generator", "discriminator", "averaged")


def train_from_file(path: Path, output: Path | None = None, deadline: float = float("inf")) -> Path:
    """Train as `sspe train` does; returns the folder of the results."""
    config = read_config(path)
    folder = output or output_folder(path, config)
    train(config, prepared_once(config.data, config.scope.spacing_mm, folder.parent / "cache"), folder, deadline)
    return folder


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
    plain = Trainer._step

    def interrupted(self: Trainer, *sampler: ScopeSampler) -> None:
        if self.iteration == 5:
            raise KeyboardInterrupt
        plain(self, *sampler)

    logs = []
    for name in ("whole", "resumed"):
        folder = tmp_path / name
        monkeypatch.setenv("SSPE_DATA", str(folder / "data"))
        path = configuration(folder, 8, cosine="true")
        path.write_text(path.read_text(encoding="utf-8").replace("log_every = 1", "log_every = 3"), encoding="utf-8")
        if name == "resumed":
            monkeypatch.setattr(Trainer, "_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train_from_file(path)
            monkeypatch.setattr(Trainer, "_step", plain)
        logs.append(rows(train_from_file(path) / "losses.csv"))
    # The checkpoint is of iteration 4; the row of 6 has losses from before and after it.
    assert [row["iteration"] for row in logs[0]] == [3, 6, 8]
    assert logs[1] == logs[0]


def test_a_run_from_given_weights_first_says_what_they_can_do(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    path = configuration(tmp_path, 4)
    before = train_from_file(path)
    state = checkpoint.read(before)
    assert state is not None
    torch.save(state["averaged"], tmp_path / "before.pt")
    path.write_text(f'initial_weights = "before.pt"\n{path.read_text(encoding="utf-8")}', encoding="utf-8")
    after = rows(train_from_file(path, tmp_path / "after") / "validation.csv")
    [last] = rows(before / "validation.csv")
    assert [row["iteration"] for row in after] == [0, 4]
    assert after[0] == pytest.approx({**last, "iteration": 0}, abs=1e-5)
    assert after[1] != pytest.approx({**last, "iteration": 4}, abs=1e-5)


def test_the_log_has_a_column_a_loss_and_one_for_the_skipped_steps_of_each_network(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    [first, *_] = rows(train_from_file(configuration(tmp_path, 1)) / "losses.csv")
    assert list(first) == ["iteration", "rec", "gm", "disc", "adv", "fm", "generator_skipped", "discriminator_skipped"]
    assert first["generator_skipped"] == first["discriminator_skipped"] == 0


def test_a_run_with_a_budget_ends_by_the_clock_and_its_rates_follow_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    folder = train_from_file(configuration(tmp_path, 100000, minutes=0.02, cosine="true"))
    found = checkpoint.read(folder)
    assert found is not None
    assert found["finished"]
    assert 1.2 <= found["seconds"] < 6
    assert 1 < found["iteration"] < 100000
    trainer = Trainer(read_config(folder / "config.json"), CPU, folder)
    trainer.seconds, trainer.iteration = 0.6, 50
    assert trainer._rate() == pytest.approx(0.5)


def test_a_training_stops_at_its_deadline_and_the_same_call_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    path = configuration(tmp_path, 6)
    folder = train_from_file(path, deadline=0.0)
    stopped = checkpoint.read(folder)
    assert stopped is not None
    assert (stopped["iteration"], stopped["finished"]) == (1, False)
    train_from_file(path)
    whole = configuration(tmp_path / "whole", 6)
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "whole" / "data"))
    assert rows(folder / "losses.csv") == rows(train_from_file(whole) / "losses.csv")


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


@pytest.mark.alone
def test_two_processes_learn_as_one_with_twice_the_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    together = train_from_file(configuration(tmp_path, 1, batch=2), tmp_path / "together")
    program = tmp_path / "sspe.py"
    program.write_text("from SSPELib.cli.app import main; raise SystemExit(main())")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # Looking up the name of a host that no server knows can take longer than the processes wait for each other.
    launcher += ["--local-addr", "127.0.0.1"]
    done = subprocess.run(
        [*launcher, program, "train", configuration(tmp_path, 1, batch=1), "--output", tmp_path / "apart"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
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


@pytest.mark.parametrize(
    ("device", "has_bf16", "expected"),
    [("cpu", False, "32-true"), ("cpu", True, "bf16-mixed"), ("cuda", False, "bf16-mixed")],
)
def test_bf16_is_not_imitated_by_a_cpu_without_it(tmp_path, monkeypatch, device, has_bf16, expected):
    monkeypatch.setattr(machine, "computes_bf16", lambda: has_bf16)
    config = read_config(configuration(tmp_path, 1))
    wanted = replace(config, precision="bf16-mixed")
    assert machine.usable_precision(wanted, torch.device(device)) == expected
    assert machine.usable_precision(config, torch.device(device)) == "32-true"


def test_generator_discriminator_and_average_all_learn(tmp_path):
    game = Game(read_config(configuration(tmp_path, 1)), CPU)
    before = {name: [p.clone() for p in getattr(game, name).parameters()] for name in LEARNING}
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.randn(1, 1, 8, 16, 16)
    for _ in range(2):
        losses = game.step(scope, following, 0.5)
    assert set(losses) == {"rec", "gm", "disc", "adv", "fm"}
    for name in LEARNING:
        now = list(getattr(game, name).parameters())
        assert any(not torch.equal(old, new) for old, new in zip(before[name], now, strict=True)), name
    assert all(parameter.grad is not None for parameter in game.discriminator.parameters())


def test_compiled_networks_learn_what_plain_ones_learn(tmp_path, monkeypatch):
    # The graphs are captured as ever, but run without code made for them, which takes minutes.
    capture = torch.compile
    monkeypatch.setattr(torch, "compile", lambda network, mode, dynamic: capture(network, backend="aot_eager"))
    config = read_config(configuration(tmp_path, 1))
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.randn(1, 1, 16, 16, 16)
    plain, compiled = (Game(replace(config, compile=mode), CPU) for mode in ("no", "default"))
    for _ in range(2):
        losses = [
            {name: float(loss) for name, loss in game.step(scope, following, 0.5).items()} for game in (plain, compiled)
        ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3, abs=1e-5)


def test_the_second_step_starts_from_what_the_generator_made_of_the_first(tmp_path):
    game = Game(read_config(configuration(tmp_path, 1)), CPU)
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.randn(1, 1, 16, 16, 16)
    advanced, target = game.advanced(scope, following)
    with torch.no_grad():
        made = game.averaged(scope)[:, :, -8:]
    assert torch.equal(advanced, torch.cat([scope[:, :, 8:], made], dim=2))
    assert torch.equal(target, torch.cat([made, following[:, :, 8:]], dim=2))


def test_steps_that_are_not_finite_are_skipped_and_many_in_a_row_end_the_run(tmp_path):
    trainer = Trainer(read_config(configuration(tmp_path, 1)), CPU, tmp_path)
    trainer.iteration, game = 1, trainer.game
    before = {name: [p.clone() for p in getattr(game, name).parameters()] for name in LEARNING}
    scope, following = torch.randn(1, 1, 16, 16, 16), torch.full((1, 1, 8, 16, 16), float("nan"))
    for _ in range(MOST_SKIPPED_IN_A_ROW):
        game.step(scope, following, 0.5)
    trainer._log(None, 1.0)
    for name in LEARNING:
        assert all(torch.equal(a, b) for a, b in zip(before[name], getattr(game, name).parameters(), strict=True))
    game.step(scope, following, 0.5)
    with pytest.raises(TrainingDiverged, match="not finite in 21 steps in a row"):
        trainer._log(None, 1.0)
    # A good step ends the row.
    game.step(scope, torch.zeros_like(following), 0.5)
    game.most_skipped()
    trainer._log(None, 1.0)
    assert game.most_skipped() == {"generator": 0, "discriminator": 0}


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    trainer = Trainer(read_config(configuration(tmp_path, 1)), CPU, tmp_path)
    trainer.save()
    before = (tmp_path / "last.ckpt").read_bytes()

    def full_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(SSPEError, match="No space left on device"):
        trainer.save()
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
    # What the card says is what the configuration says, not what was true of another training.
    assert bundle.card.limits == "phantoms only"
    assert bundle.card.license == "CC0-1.0"
    assert bundle.card.training["data_licenses"] == "public domain"
    assert bundle.card.training["sources"][0]["shows"] == "a made-up torso"
    assert bundle.card.training["volumes"] == bundle.card.training["sources"][0]["volumes"] == 1
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
        ('name = "x"\n[data]\nsources = [{pattern = "a"}]\n[scope]\nstep = 40', "must be smaller than the 32 slices"),
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
    path = _without_data(configuration(tmp_path, 1))
    with pytest.raises(InputError, match=r"No volume matches one\.nii\.gz"):
        train_from_file(path)
    monkeypatch.delenv("SSPE_DATA")
    with pytest.raises(InputError, match="Set the environment variable SSPE_DATA"):
        train_from_file(path)


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
        (_damaged_checkpoint, InputError, r"last\.ckpt is damaged"),
        (
            _with("precision", 'initial_weights = "gone.pt"\nprecision'),
            InputError,
            r"initial weights .*gone\.pt are missing",
        ),
        (_with("shortest_context = 6", "shortest_context = 80"), InputError, r"as long as .* 352 mm; give longer ones"),
        (_with("precision", 'device = "abacus"\nprecision'), InputError, "device is 'abacus', but must be one of auto"),
        (_with("precision", 'device = "mps"\nprecision'), DeviceError, "PyTorch .* finds no Apple GPU"),
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
    kept = read_config(folder / "config.json")
    assert kept.seed == 3
    assert kept == read_config(path)
    # A default that changes later does not change what the run was.
    assert f'"average_decay": {kept.schedule.average_decay}' in (folder / "config.json").read_text(encoding="utf-8")
