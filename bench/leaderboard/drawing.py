"""Drawing: a chart specification to static SVG, and the script bundle that draws the same charts live.

Imports vl_convert where it is needed, for it takes long to start; never torch.
"""

import hashlib
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from bench.files import remove_leftovers, write_atomically
from bench.leaderboard.charting import VEGA_LITE, Spec
from bench.leaderboard.painting.paint import paint
from bench.leaderboard.painting.subset import OutsideSubset
from bench.records import canonical_bytes


class Painter:
    """Draws SVG, keeping what the library drew in a folder so that an unchanged chart is not drawn again."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache

    def draw(self, spec: Spec) -> str:
        """Return a chart as SVG without style attributes, painted here where that is known, else by the library."""
        try:
            return paint(spec)
        except OutsideSubset:
            return self.svg(spec)

    def svg(self, spec: Spec) -> str:
        """Return a chart as the library draws it, without style attributes. Reads nothing from the network."""
        name = hashlib.sha256(canonical_bytes([version("vl-convert-python"), VEGA_LITE, spec])).hexdigest()
        path = self._cache / name[:2] / f"{name}.svg" if self._cache else None
        if path and path.is_file():
            return path.read_text(encoding="utf-8")
        import vl_convert  # noqa: PLC0415 (takes long to start, and hardly any chart needs it)

        drawn = str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[]))
        svg = _with_own_ids(_without_names(drawn), prefix=f"d{name[:12]}")
        if path:
            _keep(path, svg.encode())
        return svg


def bundle(cache: Path | None = None) -> bytes:
    """Return the JavaScript that draws charts live: Vega, Vega-Lite, vega-embed and the expression interpreter.

    Putting it together takes seconds, so it is kept in a folder under the versions of what it holds.
    """
    path = cache / f"bundle-{version('vl-convert-python')}-{VEGA_LITE}.js" if cache else None
    if path and path.is_file():
        return path.read_bytes()
    import vl_convert  # noqa: PLC0415 (as above)

    # The stub forgets that the snippet is optional: without one the bundle sets window.vegaEmbed.
    script = str(vl_convert.javascript_bundle(vl_version=VEGA_LITE)).encode()  # type: ignore[call-arg]
    if path:
        _keep(path, script)
    return script


def _with_own_ids(svg: str, *, prefix: str) -> str:
    """Number ids from 0 under a prefix: the converter counts them over its lifetime, and a page holds many drawings."""
    names = list(dict.fromkeys(re.findall(r' id="([^"]*)"', svg)))
    for index, name in enumerate(names):
        svg = svg.replace(f' id="{name}"', f' id="{prefix}-{index}"').replace(f"(#{name})", f"(#{prefix}-{index})")
    return svg


def _without_names(svg: str) -> str:
    """Drop labels and roles inside a drawing: the figure around it has one name and a table says the rest."""
    return re.sub(r' (?:role|aria-roledescription|aria-label)="[^"]*"', "", svg)


def _keep(path: Path, content: bytes) -> None:
    with suppress(OSError):  # a cache that cannot be written costs time, nothing else
        write_atomically(path, content)
        remove_leftovers(path.parent)
