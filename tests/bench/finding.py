"""What a fault case found: its figures beside their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; it is kept when it is at most `bound`, or at least, where more is better."""

    name: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def as_json(self) -> dict[str, Any]:
        sign = ">=" if self.at_least else "<="
        return {"figure": self.name, "value": self.value, "bound": f"{sign} {self.bound:g}", "kept": self.kept}


@dataclass(frozen=True, slots=True)
class Finding:
    """`notes` are figures without a bound, which say under what the others were found."""

    case: str
    figures: list[Figure]
    notes: dict[str, Any]

    @property
    def kept(self) -> bool:
        return all(figure.kept for figure in self.figures)

    def value(self, name: str) -> float:
        return next(figure.value for figure in self.figures if figure.name == name)

    def as_json(self) -> dict[str, Any]:
        return {"kept": self.kept, "figures": [figure.as_json() for figure in self.figures], "notes": self.notes}
