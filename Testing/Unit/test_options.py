"""Options: written once, checked once, the same as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import pytest

from SSPELib.errors import InputError
from SSPELib.options import BackendName, ExpandOptions, MergeOptions, Option, Options, ReadOptions, RegisterOptions
from SSPELib.registration.backends import BACKENDS

ALL = [ReadOptions, ExpandOptions, RegisterOptions, MergeOptions]


@pytest.mark.parametrize("kind", ALL)
def test_every_field_is_described_and_its_default_allowed(kind: type[Options]) -> None:
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        option = kind.option(field.name)
        assert isinstance(option, Option)
        assert option.sentence.endswith(".")
        option.check(field.name, option.default)
        if option.low is not None:
            assert option.unit
            assert field.name.endswith(f"_{option.unit}")
    kind().check()


@pytest.mark.parametrize("kind", ALL)
def test_json_and_back(kind: type[Options]) -> None:
    assert kind.from_dict(json.loads(json.dumps(kind().as_dict()))) == kind()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"distance_mm": 0.0}, r"The distance is 0\.0 mm, but it must be 4 to 400 mm; choose for example 64"),
        ({"distance_mm": float("nan")}, "must be 4 to 400 mm"),
        ({"distance_mm": "far"}, "must be 4 to 400 mm"),
        ({"start": "nowhere"}, "The start 'nowhere' is unknown. Choose one of header, unknown"),
        ({"transform_type": "warped"}, "The transform type 'warped' is unknown. Choose one of rigid, affine"),
        ({"speed": 3}, "The option 'speed' is unknown. Choose among transform_type"),
    ],
)
def test_what_is_wrong_is_named_with_a_way_out(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        RegisterOptions.from_dict(values)


def test_every_back_end_but_that_of_slicer_works_outside_it() -> None:
    assert set(get_args(BackendName)) - set(BACKENDS) == {"brainsfit"}
