"""The library's options in a panel: what they mean, their ranges and choices stand in SSPELib.options alone.

The parameter of an option has its name in Slicer's style (tolerance_mm: toleranceMm). Its widget names that parameter
in the .ui file, and the widget's label has the widget's name with "Label" behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, TypeVar

import slicer
from slicer.i18n import getContext
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange

import SSPELib.options
from SSPELib.options import Option, Options

PARAMETER_PROPERTY = "SlicerParameterName"
# For a widget that Slicer's parameter node is not connected to.
OPTION_PROPERTY = "SSPEOptionName"

Kind = TypeVar("Kind", bound=Options)


def parameterType(kind: type[Options], name: str, furtherChoices: Sequence[str] = ()) -> Any:
    """The type of the parameter of an option, for a parameter node: its range or its choices are the option's."""
    option = kind.option(name)
    if option.choices:
        return Annotated[str, Choice([*option.choices, *furtherChoices])]
    if option.low is not None and option.high is not None:
        return Annotated[float, WithinRange(option.low, option.high)]
    return str if option.default is None else type(option.default)


def parameterName(name: str) -> str:
    """The parameter of an option: tolerance_mm is toleranceMm."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def optionsOf(kind: type[Kind], parameters: Any, **others: Any) -> Kind:
    """The options as the parameters have them; those that the panel has no parameter for are given, or their default.

    Raises:
        InputError: a value is not allowed.
    """
    values = dict(others)
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name not in others and hasattr(parameters, parameterName(one.name)):
            value = getattr(parameters, parameterName(one.name))
            values[one.name] = None if value == "" else value
    return kind.from_dict(values)


def explainWidgets(ui: Any, kind: type[Options]) -> None:
    """Give the widgets of options, and their labels, the tool tip, the range and the unit of the option."""
    for name, widget in vars(ui).items():
        own = optionName(widget, kind)
        if own is None:
            continue
        option = kind.option(own)
        widget.toolTip = toolTip(option)
        label = getattr(ui, f"{name}Label", None)
        if label is not None:
            label.toolTip = widget.toolTip
        if option.low is not None and option.high is not None:
            widget.minimum, widget.maximum = option.low, option.high
            widget.suffix = f" {option.unit}"


def nameChoices(ui: Any, kind: type[Options], further: Mapping[str, Sequence[str]] | None = None) -> None:
    """Show the choices of options in plain words, where a parameter node was just connected, which lists the values.

    Args:
        ui: the widgets of the panel.
        kind: what they change.
        further: words for the choices that a panel adds to those of an option, by the option's name.
    """
    for widget in vars(ui).values():
        name = optionName(widget, kind)
        if name is None or not kind.option(name).words:
            continue
        words = [*(_translated(word) for word in kind.option(name).words), *(further or {}).get(name, ())]
        for index, word in enumerate(words):
            widget.setItemText(index, word)


def optionName(widget: Any, kind: type[Options]) -> str | None:
    """The name of the option that a widget changes, None for other widgets."""
    parameter, option = widget.property(PARAMETER_PROPERTY), widget.property(OPTION_PROPERTY)
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    return next((name for name in names if name == option or parameterName(name) == parameter), None)


def toolTip(option: Option) -> str:
    """What an option does, in the user's language, with its range where it is a number."""
    sentence = _translated(option.sentence)
    if option.low is None:
        return sentence
    text = _("{sentence} {low} to {high} {unit}; {default} {unit} unless changed.")
    numbers = {name: f"{getattr(option, name):g}" for name in ("low", "high", "default")}
    return text.format(sentence=sentence, unit=option.unit, **numbers)


def _translated(text: str) -> str:
    translated: str = slicer.app.translate(getContext(SSPELib.options.__file__), text)
    return translated
