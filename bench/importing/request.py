"""ImportRequest: what is to be imported, and how. No loading, no numpy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Rounding = Literal["nearest", "truncate"]
Sign = Literal["signed", "official"]


@dataclass(frozen=True)
class Credits:
    """Whose method it is, as far as the command line says."""

    name: str | None = None
    authors: tuple[str, ...] = ()
    paper: str | None = None


@dataclass(frozen=True)
class ImportRequest:
    """One import.

    scale: what stands for full brightness, None: 1 for fractions, else 255. tolerance: largest distance of a row to its
    image when the order is recovered, 1/255 units; None: twice the linf budget. seed: draws the members of a bank.
    """

    format: str
    file: Path
    slug: str
    protocol: str | None = None
    labels: Path | None = None
    clean: Path | None = None
    content: Literal["auto", "delta", "images"] = "auto"
    order: Literal["auto", "index", "class", "match"] = "auto"
    sign: Sign = "signed"
    rounding: Rounding | None = None
    scale: int | None = None
    missing: Literal["refuse", "zero"] = "refuse"
    tolerance: int | None = None
    norm: Literal["linf", "l2", "l0"] | None = None
    seed: int = 0
    trust_pickle: bool = False
    credits: Credits = field(default_factory=Credits)

    @property
    def exact_rounding(self) -> Rounding:
        """How fractions become whole numbers: as asked, or as the loader rounds whose sign is taken."""
        return self.rounding or ("truncate" if self.sign == "official" else "nearest")
