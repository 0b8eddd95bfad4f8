"""Training configurations: the six systems differ as the paper says and in nothing else; how files extend others."""

from __future__ import annotations

from typing import Any

import pytest

from SSPELib.errors import InputError
from SSPELib.model.bundle import models_folder
from SSPELib.model.networks import GENERATORS
from SSPEResearch.training.config import TrainingConfig, find_config, read_config, shipped_configurations
from SSPEResearch.training.run import output_folder

BACKBONES = {"ResGAN": "ResUNet", "TransGAN": "TransUNet", "TransResGAN": "TransResUNet"}
ABLATIONS = ("both-sides", "opposite-target", "single-scopes")
SYSTEMS = [*BACKBONES, *(f"lambda-{name}" for name in BACKBONES)]
SCALES = pytest.mark.parametrize("scale", ["", "paper/"])


def load(name: str) -> TrainingConfig:
    return read_config(find_config(name))


def rest(config: TrainingConfig) -> dict[str, Any]:
    """All settings that have nothing to do with the name, the backbone and the lambda-losses."""
    settings = config.settings()
    del settings["name"], settings["losses"]["new_weight"], settings["losses"]["gradient_matching"]
    for own in ("architecture", "bottom_blocks", "layers", "heads"):
        settings["generator"].pop(own, None)
    return settings


def test_the_six_systems_are_shipped_at_both_scales():
    others = ["bundled", "continued", *(f"ablation/{name}" for name in ABLATIONS)]
    assert sorted(shipped_configurations()) == sorted([*others, *SYSTEMS, *(f"paper/{name}" for name in SYSTEMS)])


@SCALES
def test_the_six_systems_differ_only_in_what_the_paper_says(scale):
    systems = {name: load(scale + name) for name in SYSTEMS}
    for name, config in systems.items():
        weighted = name.startswith("lambda-")
        assert config.name == name
        assert config.generator.architecture == BACKBONES[name.removeprefix("lambda-")]
        assert config.losses.new_weight == (4.0 if weighted else 1.0)
        assert config.losses.gradient_matching == (1.0 if weighted else 0.0)
        assert rest(config) == rest(systems["ResGAN"])


def test_generators_have_the_base_and_depth_of_the_paper():
    for name in shipped_configurations():
        generator = load(name).generator
        assert (generator.base, generator.depth) == (16, 4)
        if generator.architecture != "ResUNet":
            assert (generator.arguments["layers"], generator.arguments["heads"]) == (12, 8)
        GENERATORS[generator.architecture](step=16, **generator.arguments)


def test_initial_weights_lie_where_the_file_that_names_them_says(tmp_path):
    for name in ("continued", *(f"ablation/{name}" for name in ABLATIONS)):
        weights = load(name).initial_weights
        assert weights is not None
        assert weights.resolve() == (models_folder() / "lambda-ResGAN" / "weights.pt").resolve()
    (tmp_path / "own").mkdir()
    (tmp_path / "first.toml").write_text(
        f'extends = "{find_config("ResGAN").as_posix()}"\ninitial_weights = "first.pt"\n', encoding="utf-8"
    )
    own = tmp_path / "own" / "second.toml"
    own.write_text('extends = "../first.toml"\n', encoding="utf-8")
    found = read_config(own).initial_weights
    assert found is not None
    assert found.resolve() == (tmp_path / "first.pt").resolve()


def test_the_paper_setting_is_that_of_its_section_3():
    config = load("paper/lambda-ResGAN")
    assert config.scope.size == (96, 256, 256)
    assert config.scope.step == 46
    schedule = config.schedule
    assert (schedule.iterations, schedule.batch, schedule.cosine, schedule.warm_up) == (1400, 1, False, 0)
    assert schedule.generator_rate == schedule.discriminator_rate == 1e-3


def test_settings_of_an_extended_file_hold_where_the_file_says_nothing(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "first.toml").write_text(
        'name = "first"\nseed = 5\n[schedule]\niterations = 7\nbatch = 2\n[data]\nsources = [{ pattern = "a" }]'
    )
    (tmp_path / "base" / "second.toml").write_text('extends = "first.toml"\nname = "second"\n[schedule]\nbatch = 3')
    path = tmp_path / "third.toml"
    path.write_text('extends = "base/second.toml"\n[data]\nsources = [{ pattern = "b" }, { pattern = "c" }]')
    config = read_config(path)
    assert (config.name, config.seed) == ("second", 5)
    assert (config.schedule.iterations, config.schedule.batch) == (7, 3)
    assert [source.pattern for source in config.data.sources] == ["b", "c"]


def test_files_that_extend_each_other_are_refused(tmp_path):
    (tmp_path / "one.toml").write_text('extends = "other.toml"')
    (tmp_path / "other.toml").write_text('extends = "one.toml"')
    with pytest.raises(InputError, match=r"one\.toml extends itself"):
        read_config(tmp_path / "one.toml")


def test_a_missing_extended_file_is_named(tmp_path):
    (tmp_path / "one.toml").write_text('extends = "gone.toml"')
    with pytest.raises(InputError, match=r"gone\.toml cannot be read"):
        read_config(tmp_path / "one.toml")


def test_an_argument_of_another_backbone_is_refused(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(
        'name = "x"\n[data]\nsources = [{ pattern = "a" }]\n[generator]\narchitecture = "TransUNet"\nbottom_blocks = 6',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="bottom_blocks"):
        read_config(path)


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("")
    assert find_config(path) == path
    with pytest.raises(InputError, match=r"lambda-ResGAN, .*paper/TransResGAN"):
        find_config("lambda-VNet")


def test_results_go_where_the_configuration_says_or_below_runs(tmp_path):
    path = tmp_path / "own.toml"
    text = 'name = "x"\n[data]\nsources = [{ pattern = "a" }]'
    path.write_text(text)
    assert output_folder(path, read_config(path)).as_posix() == "runs/own"
    path.write_text(f'output = "there"\n{text}')
    assert output_folder(path, read_config(path)) == tmp_path / "there"
    shipped = find_config("paper/ResGAN")
    assert output_folder(shipped, read_config(shipped)).as_posix() == "runs/paper/ResGAN"
