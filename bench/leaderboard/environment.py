"""Environment: the template engine and the files that every page shares.

Imports jinja2, markupsafe and pydantic_core; never torch.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic_core import to_json

from bench.leaderboard.charts import Spec
from bench.leaderboard.contexts import Context

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'"
)
STYLES = (
    *(
        "frame",
        "tables",
        "board-tools",
        "long-tables",
        "matrices",
        "reported",
        "downloads",
        "charts",
        "compare",
        "record",
        "pages",
    ),
    "media",
)
"""Parts of `site.css` in their order: what depends on the medium comes last."""

SCRIPTS = (
    *("theme-button", "dom", "query", "address", "rows", "serializers", "saving", "digest", "verification"),
    *(
        "long-tables",
        "board",
        "board-selection",
        "board-panels",
        "board-export",
        "verify-panel",
        "board-tools",
        "start",
    ),
    *("chart-tools", "charts", "compare"),
)
"""Parts of `site.js`; a part that uses another one comes after it."""

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
"""Characters that end a line, reorder text or belong in no page; a reason or a machine's name may hold them."""

_APART = "\x1f"
"""Stands between texts that are escaped together."""

_PLAIN = bytes({9, 10, *range(0x20, 0x7F)})
"""The ASCII characters that are not hidden."""

MENU = (
    ("overview", "Unlearnable examples", "ue/index.html"),
    ("unlearning", "Unlearning", "unlearning/index.html"),
    ("compare", "Compare", "compare/index.html"),
    ("metrics", "Metrics", "metrics/index.html"),
    ("reported", "Reported", "reported/index.html"),
    ("read", "How to read", "read/index.html"),
    ("submit", "Submit", "submit/index.html"),
)
"""The menu of every page: section, label and target. What a build does not have is left out."""

FOOTER = (
    ("Downloads", "downloads/index.html"),
    ("Changes", "changes/index.html"),
    ("Atom feed", "changes/feed.xml"),
    ("Reproduction notes", "reproduction/index.html"),
    ("All protocols", "protocols/index.html"),
)
"""Links at the foot of every page: label and target. What a build does not have is left out."""

FEED = "changes/feed.xml"


@dataclass(frozen=True)
class Asset:
    """A shared file: where it lies in the site, named by its content, and its bytes."""

    path: str
    content: bytes


class Renderer:
    """Renders templates, every one with autoescape and without undefined names."""

    def __init__(
        self, draw: Callable[[Spec], str], assets: dict[str, Asset], *, built: Collection[str] | None = None
    ) -> None:
        """built: paths of the files that this build has, for the menu; None for all that a menu can name."""
        environment = Environment(
            loader=template_loader(),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # templates that change while a site is made belong to the next one
        )
        # The only markup that is not escaped: SVG from our own specifications, whose texts the converter escapes.
        # Specifications of charts are most of what a page holds as JSON, and their keys have an order already.
        environment.policies["json.dumps_function"] = lambda value, **_: to_json(value).decode()
        environment.globals["draw"] = lambda spec: Markup(draw(spec))  # noqa: S704
        environment.globals["cells"] = cells
        environment.globals["assets"] = {name: asset.path for name, asset in assets.items()}
        environment.globals["policy"] = CONTENT_SECURITY_POLICY
        environment.globals["menu"] = tuple(item for item in MENU if built is None or item[2] in built)
        environment.globals["footer"] = tuple(item for item in FOOTER if built is None or item[1] in built)
        environment.globals["feed"] = FEED if built is None or FEED in built else ""
        self._environment = environment

    def render(self, template: str, context: Context) -> bytes:
        """Render a page; the template reads `page` and `root`, the prefix to the top of the site."""
        text = self._environment.get_template(template).render(page=context, root=context.root)
        return _without_hidden(text)


def cells(texts: Sequence[str]) -> Markup:
    """Return a table cell for each text, escaped; together, because pages have hundreds of them."""
    if not texts:
        return Markup()
    joined = _APART.join(texts)
    if joined.count(_APART) != len(texts) - 1:  # it belongs in no page
        joined = _APART.join(text.replace(_APART, "\ufffd") for text in texts)
    return Markup("<td>") + escape(joined).replace(_APART, Markup("</td><td>")) + Markup("</td>")


def _without_hidden(text: str) -> bytes:
    """Return a text with U+FFFD for every character that is hidden."""
    content = text.encode()
    # Nearly all of a page is plain ASCII, and what is left of it is short.
    if not _HIDDEN.search(content.translate(None, _PLAIN).decode()):
        return content
    return _HIDDEN.sub("\ufffd", text).encode()


def template_loader() -> BaseLoader:
    """Find templates beside the package in a checkout, else inside the installed package."""
    beside = templates_folder()
    if beside is None:
        return PackageLoader("bench._templates", ".")
    return ChoiceLoader([FileSystemLoader(beside)])


def source_files() -> list[Path]:
    """Return every file of code and template that can decide a page's bytes, sorted."""
    package = Path(__file__).resolve().parents[1]
    templates = templates_folder() or Path(str(resources.files("bench._templates")))
    code = (path for path in package.rglob("*") if path.suffix in (".py", ".toml", ".csv", ".json"))
    return sorted({*code, *(path for path in templates.rglob("*") if path.is_file())})


def templates_folder() -> Path | None:
    """Return the `templates` folder of a checkout, None where the package is installed alone."""
    folder = Path(__file__).resolve().parents[2] / "templates"
    return folder if (folder / "base.html").is_file() else None


def static_assets(bundle: bytes) -> dict[str, Asset]:
    """Return the shared files by name, each under a path that changes with its content."""
    contents = {
        "site.css": b"\n".join(_static(f"css/{name}.css") for name in STYLES),
        "site.js": b"\n".join(_static(f"js/{name}.js") for name in SCRIPTS),
        "theme.js": _static("js/theme.js"),  # alone, because it runs before the first paint
        "charts.js": bundle,
    }
    return {name: Asset(_hashed(name, content), content) for name, content in contents.items()}


def _static(name: str) -> bytes:
    folder = templates_folder()
    source = resources.files("bench._templates") if folder is None else folder
    return source.joinpath("static", *name.split("/")).read_bytes()


def _hashed(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"assets/{stem}.{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
