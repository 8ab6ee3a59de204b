"""Feed: the changes of all boards, and of each track, as Atom.

Imports the changelog; never torch. Times are those of results, never of the build; links are relative to the feed.
"""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from bench.leaderboard.changelog import ChangeLine, newest_changes
from bench.leaderboard.exports.markdown import plain_text
from bench.leaderboard.history import BoardHistory
from bench.records import digest

MOST_ENTRIES = 50
NAMESPACE = "http://www.w3.org/2005/Atom"
NEVER = "1970-01-01T00:00:00Z"
"""When a feed without entries was updated: Atom wants a time, and no result has one."""

FEEDS = {
    "changes/feed.xml": ("", "Unlearnability Bench: changes of all boards"),
    "changes/ue.xml": ("ue", "Unlearnability Bench: changes of the boards of unlearnable examples"),
    "changes/unlearning.xml": ("unlearning", "Unlearnability Bench: changes of the unlearning boards"),
}
"""Where each feed lies in the site, its track (empty for all) and its title."""


def feed_files(histories: Sequence[BoardHistory]) -> dict[str, bytes]:
    """Return the feeds by path in the site."""
    return {
        path: atom(path, title, newest_changes(histories, MOST_ENTRIES, track=track))
        for path, (track, title) in FEEDS.items()
    }


def atom(path: str, title: str, lines: Sequence[ChangeLine]) -> bytes:
    """Return an Atom feed of changes, newest first. Identifiers are digests, so that they outlive names and words.

    Source: RFC 4287.
    """
    feed = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": "en"})
    _add(feed, "id", _urn(digest(["feed", path])))
    _add(feed, "title", title)
    _add(feed, "updated", max((line.moment for line in lines), default=NEVER))
    _add(feed, "link", attributes={"rel": "self", "type": "application/atom+xml", "href": path.rpartition("/")[2]})
    _add(feed, "link", attributes={"rel": "alternate", "type": "text/html", "href": "index.html"})
    _add(_add(feed, "author"), "name", "Unlearnability Bench")
    for line in lines:
        _entry(feed, line)
    ET.indent(feed)
    content: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _entry(feed: ET.Element, line: ChangeLine) -> None:
    entry = _add(feed, "entry")
    text = f"{line.name} {line.sentence}"
    _add(entry, "id", _urn(line.id))
    _add(entry, "title", f"{line.name[:80]}: {line.protocol}")
    _add(entry, "updated", line.moment)
    href = f"../submissions/{line.slug}/index.html"
    _add(entry, "link", attributes={"rel": "alternate", "type": "text/html", "href": href})
    _add(entry, "category", attributes={"term": line.protocol})
    _add(entry, "summary", text, {"type": "text"})


def _add(parent: ET.Element, name: str, text: str = "", attributes: Mapping[str, str] | None = None) -> ET.Element:
    child = ET.SubElement(parent, name, dict(attributes or {}))
    child.text = plain_text(text) or None
    return child


def _urn(name: str) -> str:
    return f"urn:{name}"
