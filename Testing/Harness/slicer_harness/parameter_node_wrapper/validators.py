"""What a parameter may be: the annotations inside `Annotated[...]` that restrict or preset a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class Validator:
    def validate(self, value: Any) -> None:
        """Raises if the value is not allowed."""
        raise ValueError(f"{type(self).__name__} does not say what it allows")


class NotNone(Validator):
    def validate(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsInstance(Validator):
    def __init__(self, classtype: type | tuple[type, ...]) -> None:
        self.classtype = classtype

    def validate(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, is {value!r}")


class Minimum(Validator):
    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        if value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}, is {value}")


class Maximum(Validator):
    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        if value > self.maximum:
            raise ValueError(f"Value must be at most {self.maximum}, is {value}")


class WithinRange(Validator):
    def __init__(self, minimum: float, maximum: float) -> None:
        if minimum > maximum:
            raise ValueError(f"The range's minimum {minimum} is above its maximum {maximum}")
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        values = (value.minimum, value.maximum) if isinstance(value, FloatRange) else (value,)
        if not all(self.minimum <= item <= self.maximum for item in values):
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


class Choice(Validator):
    def __init__(self, choices: Iterable[Any]) -> None:
        self.choices = list(choices)

    def validate(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Value must be one of {self.choices}, is {value!r}")


class Exclude(Validator):
    def __init__(self, excludedValues: Iterable[Any]) -> None:
        self.excludedValues = list(excludedValues)

    def validate(self, value: Any) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value must not be one of {self.excludedValues}, is {value!r}")


class Default:
    """The value that a parameter has before it is set, or a function that makes it."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        if value is not None and generator is not None:
            raise ValueError("Default takes a value or a generator, not both")
        self._value = value
        self.generator = generator

    @property
    def value(self) -> Any:
        return self._value if self.generator is None else self.generator()


class FloatRange:
    def __init__(self, minimum: float = 0.0, maximum: float = 0.0) -> None:
        if minimum > maximum:
            raise ValueError(f"The range's minimum {minimum} is above its maximum {maximum}")
        self.minimum = float(minimum)
        self.maximum = float(maximum)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatRange) and (self.minimum, self.maximum) == (other.minimum, other.maximum)

    def __hash__(self) -> int:
        return hash((self.minimum, self.maximum))

    def __repr__(self) -> str:
        return f"FloatRange({self.minimum}, {self.maximum})"
