"""Model bundles: what is written comes back, and every damage is a clear error."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from SSPELib.errors import ModelError
from SSPELib.model.bundle import CARD_FILE, WEIGHTS_FILE, build_generator, load_bundle


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle.folder, tmp_path / "model")


def test_bundle_comes_back_as_written(tiny_bundle):
    bundle = load_bundle(tiny_bundle.folder)
    assert bundle.card == tiny_bundle.card
    assert bundle.card.step_mm == 32.0
    network = bundle.network(torch.device("cpu"))
    stored = torch.load(tiny_bundle.folder / WEIGHTS_FILE, weights_only=True)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert all(torch.equal(value.float(), network.state_dict()[name]) for name, value in stored.items())
    assert not network.training


def test_unknown_model_names_what_is_bundled(tmp_path):
    with pytest.raises(ModelError, match="neither bundled nor a folder"):
        load_bundle(tmp_path / "nothing")


def test_missing_weights(copied):
    (copied / WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=r"weights\.pt is missing"):
        load_bundle(copied)


def test_changed_weights(copied):
    data = bytearray((copied / WEIGHTS_FILE).read_bytes())
    data[-100] ^= 1
    (copied / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(ModelError, match="damaged or were changed"):
        load_bundle(copied)


def test_missing_card(copied):
    (copied / CARD_FILE).unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_bundle(copied)


@pytest.mark.parametrize("change", [{"scope": None}, {"surprise": 1}])
def test_damaged_card(copied, change):
    fields = json.loads((copied / CARD_FILE).read_text())
    (copied / CARD_FILE).write_text(json.dumps({**fields, **change}))
    with pytest.raises(ModelError, match="damaged"):
        load_bundle(copied)


def test_weights_of_another_network_do_not_load(copied):
    fields = json.loads((copied / CARD_FILE).read_text())
    fields["arguments"]["base"] = 8
    (copied / CARD_FILE).write_text(json.dumps(fields))
    with pytest.raises(ModelError, match="do not fit the network"):
        load_bundle(copied).network(torch.device("cpu"))


def test_unknown_architecture():
    with pytest.raises(ModelError, match="'VNet' is unknown"):
        build_generator("VNet", 8, {})
