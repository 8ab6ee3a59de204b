"""Review: what a change of submissions means, as data and as Markdown. Pure text, no files.

May import the standard library and bench.markdown.
"""

import json
from dataclasses import asdict, dataclass

from bench.markdown import capped, plain

TITLE = "## What this change does to the boards"


@dataclass(frozen=True)
class Section:
    """Lines under one heading; they may hold text of any origin."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Changed:
    """A submission that is not as it was. state: new, changed or removed; problems: how many keep it from merging."""

    slug: str
    name: str
    state: str
    problems: int
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Review:
    """All changed submissions, by slug; elsewhere: problems of submissions that did not change."""

    base: str
    changed: tuple[Changed, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def problems(self) -> int:
        """How many problems there are in all."""
        return sum(item.problems for item in self.changed) + len(self.elsewhere)


def review_json(review: Review) -> str:
    """Return a review as a JSON document for machines."""
    return json.dumps({"schema": "bench.review/1", "problems": review.problems, **asdict(review)}, indent=2)


def review_markdown(review: Review) -> str:
    """Return a review as Markdown that is safe to post, of at most 60,000 characters."""
    lines = [TITLE, "", _summary(review)]
    for item in review.changed:
        lines += ["", f"### {plain(item.slug, 60)} ({item.state})", ""]
        lines += [f"{plain(item.name)}: {_count(item.problems)}." if item.name else f"{_count(item.problems)}."]
        for section in item.sections:
            lines += ["", f"**{section.title}**", "", *(f"- {plain(line, 600)}" for line in section.lines)]
    if review.elsewhere:
        lines += ["", "### Elsewhere", "", *(f"- {plain(line, 600)}" for line in review.elsewhere)]
    lines += [
        "",
        f"Compared with {plain(review.base, 60)}. Made by `bench review`; nothing was measured anew.",
    ]
    return capped("\n".join(lines) + "\n")


def _summary(review: Review) -> str:
    if not review.changed:
        return f"No submission changed. {_count(review.problems).capitalize()}."
    many = len(review.changed)
    return f"{many} submission{'s' * (many != 1)} changed, {_count(review.problems)}."


def _count(problems: int) -> str:
    return "no problems" if problems == 0 else f"{problems} problem{'s' * (problems != 1)}"
