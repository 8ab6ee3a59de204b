"""Drawing: a chart specification to static SVG, and the script bundle that draws the same charts live.

Imports vl_convert; never torch.
"""

import hashlib
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import vl_convert

from bench.files import remove_leftovers, write_atomically
from bench.leaderboard.charts import VEGA_LITE, Spec
from bench.records import canonical_bytes


class Painter:
    """Draws SVG, keeping what it drew in a folder so that an unchanged chart is not drawn again."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache

    def svg(self, spec: Spec) -> str:
        """Return a chart as SVG without style attributes, to be put inline. Reads nothing from the network."""
        name = hashlib.sha256(canonical_bytes([version("vl-convert-python"), VEGA_LITE, spec])).hexdigest()
        path = self._cache / name[:2] / f"{name}.svg" if self._cache else None
        if path and path.is_file():
            return path.read_text(encoding="utf-8")
        drawn = str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]))
        svg = _with_own_ids(_without_names(drawn), prefix=f"d{name[:12]}")
        if path:
            with suppress(OSError):  # a cache that cannot be written costs time, nothing else
                write_atomically(path, svg.encode())
                remove_leftovers(path.parent)
        return svg


def bundle() -> bytes:
    """Return the JavaScript that draws charts live: Vega, Vega-Lite, vega-embed and the expression interpreter."""
    # The stub forgets that the snippet is optional: without one the bundle sets window.vegaEmbed.
    return str(vl_convert.javascript_bundle(vl_version=VEGA_LITE)).encode()  # type: ignore[call-arg]


def _with_own_ids(svg: str, *, prefix: str) -> str:
    """Number ids from 0 under a prefix: the converter counts them over its lifetime, and a page holds many drawings."""
    names = list(dict.fromkeys(re.findall(r' id="([^"]*)"', svg)))
    for index, name in enumerate(names):
        svg = svg.replace(f' id="{name}"', f' id="{prefix}-{index}"').replace(f"(#{name})", f"(#{prefix}-{index})")
    return svg


def _without_names(svg: str) -> str:
    """Drop labels and roles inside a drawing: the figure around it has one name and a table says the rest."""
    return re.sub(r' (?:role|aria-roledescription|aria-label)="[^"]*"', "", svg)
