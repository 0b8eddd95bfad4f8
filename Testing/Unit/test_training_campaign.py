"""Campaigns: pieces that end by themselves, what is sent back of them, and a machine with PyTorch and NumPy alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
from command_line import Run
from tiny_training import configuration

from SSPELib.errors import InputError
from SSPEResearch.training import checkpoint, travel
from SSPEResearch.training.bundling import bundle_run
from SSPEResearch.training.campaign import SHIPPED, find_campaign, run_campaign, stages
from SSPEResearch.training.config import find_config, read_config
from SSPEResearch.training.preparing import prepare
from SSPEResearch.training.travel import pack, unpack
from SSPEResearch.training.volumes import load_volumes

LIBRARY = Path(travel.__file__).parents[2]


def bare_site(folder: Path) -> Path:
    """Links to PyTorch, NumPy and what these ask for, as the only packages of a machine."""
    folder.mkdir()
    waiting, linked = ["torch", "numpy"], set()
    while waiting:
        name = waiting.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        linked.add(name)
        needs = [need for need in found.requires or [] if "extra ==" not in need]
        waiting += [one for need in needs if (one := re.split(r"[^\w.-]", need)[0].lower()) not in linked]
        for top in {Path(file).parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            place = folder / top
            if not place.exists():
                place.symlink_to(str(found.locate_file(top)))
    return folder


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The volume of the tiny configuration on its working grid."""
    monkeypatch.setenv("SSPE_DATA", str(tmp_path / "data"))
    config = read_config(configuration(tmp_path, 4))
    prepare(config.data, config.scope.spacing_mm, tmp_path / "volumes.npz")
    return tmp_path / "volumes.npz"


def campaign(folder: Path, minutes: float = 0.01) -> Path:
    """Two stages of the tiny configuration."""
    path = folder / "campaign.toml"
    path.write_text(
        f"""
stages = [
  {{ config = "run.toml", minutes = {minutes}, name = "first" }},
  {{ config = "run.toml", minutes = {minutes}, name = "second" }},
]
[settings]
seed = 9
[settings.schedule]
iterations = 100000
""",
        encoding="utf-8",
    )
    return path


def test_a_machine_with_torch_and_numpy_alone_trains_stops_packs_and_goes_on(tmp_path: Path, prepared: Path):
    runs = tmp_path / "runs"
    python = [sys.executable, "-S"]
    bare = {"PYTHONPATH": f"{bare_site(tmp_path / 'site')}:{LIBRARY}", "OMP_NUM_THREADS": "1"}
    without = subprocess.run([*python, "-c", "import SimpleITK"], env=bare, capture_output=True, text=True, check=False)
    assert "No module named 'SimpleITK'" in without.stderr
    command = ["-m", "SSPEResearch.training", "campaign", campaign(tmp_path), "--volumes", prepared, "--minutes", "1"]
    done = subprocess.run(
        [*python, *command, "--output", runs, "--export", tmp_path / "out"],
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "first: finished\nsecond: finished\n" in done.stdout
    assert (tmp_path / "out" / "runs.tar.1").is_file()
    assert not (runs / "first" / "tensorboard").exists()
    # What was sent becomes a model elsewhere.
    names = unpack(tmp_path / "out", tmp_path / "here")
    assert {"first/config.json", "first/losses.csv", "first/validation.csv", "first/light.ckpt"} <= set(names)
    card = bundle_run(tmp_path / "here" / "first", tmp_path / "model", measured=False).card
    assert card.training["iterations"] == checkpoint.read(runs / "first")["iteration"]
    assert card.training["volumes"] == 1


def test_a_stage_that_was_stopped_goes_on_before_the_next_one(tmp_path: Path, prepared: Path, monkeypatch):
    configs = stages(campaign(tmp_path, minutes=0.02))
    assert list(configs) == ["first", "second"]
    assert configs["second"].seed == 9
    assert configs["second"].schedule.minutes == 0.02
    volumes = load_volumes(prepared)
    runs = tmp_path / "runs"
    assert run_campaign(configs, volumes, runs, 0.001) == {"first": "waiting", "second": "waiting"}
    monkeypatch.setattr("SSPEResearch.training.campaign.SHORTEST_PIECE_S", -1e9)
    assert run_campaign(configs, volumes, runs, 0.0) == {"first": "stopped", "second": "waiting"}
    assert checkpoint.read(runs / "first")["iteration"] == 1
    assert run_campaign(configs, volumes, runs, 10) == {"first": "finished", "second": "finished"}
    seconds = checkpoint.read(runs / "first")["seconds"]
    assert 1.2 <= seconds < 6
    assert run_campaign(configs, volumes, runs, 0.0) == {"first": "finished", "second": "finished"}
    assert checkpoint.read(runs / "first")["seconds"] == seconds


def test_what_is_sent_goes_on_on_a_fresh_machine_and_finished_runs_are_sent_once(
    tmp_path: Path, prepared: Path, monkeypatch
):
    monkeypatch.setattr("SSPEResearch.training.campaign.SHORTEST_PIECE_S", -1e9)
    monkeypatch.setattr(travel, "PART_BYTES", 40000)
    configs, volumes, runs = stages(campaign(tmp_path)), load_volumes(prepared), tmp_path / "runs"
    run_campaign({"first": configs["first"]}, volumes, runs, 10)
    run_campaign({"second": configs["second"]}, volumes, runs, 0.0)
    parts, waiting = pack(runs, tmp_path / "out")
    assert waiting == []
    assert len(parts) > 1
    assert all(part.stat().st_size <= 40000 for part in parts)
    unpack(tmp_path / "out", tmp_path / "fresh")
    whole, light = (checkpoint.read(folder / "second") for folder in (runs, tmp_path / "fresh"))
    for name, value in whole["averaged"].items():
        assert torch.allclose(value, light["averaged"][name].float(), rtol=1e-3, atol=1e-4)
    assert "generator" not in light
    assert run_campaign(configs, volumes, tmp_path / "fresh", 10) == {"first": "finished", "second": "finished"}
    resumed = checkpoint.read(tmp_path / "fresh" / "second")
    assert (resumed["warm_from"], resumed["iteration"] > 1) == (1, True)
    # The second packing holds only what is not finished and was not sent.
    again, _ = pack(runs, tmp_path / "again")
    assert {name.split("/")[0] for name in unpack(tmp_path / "again", tmp_path / "later")} == {"second"}
    assert len(again) < len(parts)
    (tmp_path / "out" / "runs.tar.1").unlink()
    with pytest.raises(InputError, match=r"does not hold all of runs\.tar\.1"):
        unpack(tmp_path / "out", tmp_path / "fresh")


def test_what_does_not_fit_waits_and_finished_runs_go_first(tmp_path: Path, prepared: Path, monkeypatch):
    monkeypatch.setattr("SSPEResearch.training.campaign.SHORTEST_PIECE_S", -1e9)
    configs, volumes, runs = stages(campaign(tmp_path)), load_volumes(prepared), tmp_path / "runs"
    run_campaign({"first": configs["first"]}, volumes, runs, 0.0)
    run_campaign({"second": configs["second"]}, volumes, runs, 10)
    [whole] = pack(runs, tmp_path / "out")[0]
    (runs / "second" / travel.SENT).unlink()
    monkeypatch.setattr(travel, "MOST_PARTS", 1)
    monkeypatch.setattr(travel, "PART_BYTES", whole.stat().st_size - 20000)
    parts, waiting = pack(runs, tmp_path / "less")
    assert waiting == ["first"]
    assert [part.stat().st_size <= travel.PART_BYTES for part in parts] == [True]
    assert {name.split("/")[0] for name in unpack(tmp_path / "less", tmp_path / "here")} == {"second"}
    parts, waiting = pack(runs, tmp_path / "rest")
    assert waiting == []
    assert {name.split("/")[0] for name in unpack(tmp_path / "rest", tmp_path / "there")} == {"first"}


def test_shipped_campaigns_read_and_train_what_they_say(tmp_path: Path):
    found = {path.stem: stages(path) for path in SHIPPED.glob("*.toml")}
    assert set(found) == {"prove", "bundled", "six-systems"}
    six = found["six-systems"]
    assert len({config.schedule.minutes for config in six.values()}) == 1
    assert {config.name for config in six.values()} == set(six)
    for config in (config for configs in found.values() for config in configs.values()):
        # All train from the same prepared file, in planes of one size.
        assert (config.scope.spacing_mm, config.scope.size, config.scope.fits_body) == (4.0, (32, 80, 128), False)
        assert config.data == read_config(find_config("bundled")).data
    # Only the paper's settings tell the six apart.
    rest = [{**json.loads(json.dumps(config.settings())), "name": ""} for config in six.values()]
    for settings in rest:
        settings["losses"] |= {"new_weight": 0, "gradient_matching": 0}
        del settings["generator"]
    assert all(settings == rest[0] for settings in rest)
    with pytest.raises(InputError, match=r"nothing is neither a file nor a shipped campaign.*six-systems"):
        find_campaign("nothing")
    (tmp_path / "wrong.toml").write_text("stages = []")
    with pytest.raises(InputError, match=r"wrong\.toml is not usable: stages"):
        stages(tmp_path / "wrong.toml")


def test_the_commands_prepare_train_in_pieces_and_measure(tmp_path: Path, prepared: Path, run: Run):
    again = run("prepare", tmp_path / "run.toml", tmp_path / "again.npz")
    assert again.code == 0
    assert "1 volumes on a grid of 4 mm" in again.out
    assert (tmp_path / "again.npz").read_bytes() == prepared.read_bytes()
    output = ["--output", tmp_path / "piece", "--volumes", prepared]
    assert run("train", tmp_path / "run.toml", *output).code == 0
    assert checkpoint.read(tmp_path / "piece")["finished"]
    done = run("campaign", campaign(tmp_path), "--volumes", prepared, "--minutes", 5, "--output", tmp_path / "runs")
    assert (done.code, "second: finished" in done.out) == (0, True)
    speed = run("benchmark", "training", tmp_path / "run.toml", "--seconds", 0.5, "--batch", 1, "--batch", 2)
    assert speed.code == 0
    lines = speed.out.strip().splitlines()[-2:]
    for line, batch in zip(lines, (1, 2), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:4] == ["cpu", "32-true", "no", str(batch)]
        assert float(cells[4]) > 0
        assert 0 < float(cells[8]) < 100
        assert float(cells[9]) > 0.1
