"""What long boards cost the browser: until the page is done, and for each step of a reader.

`python benchmarks/browser.py PAGE...` opens rendered board pages in Chromium and prints one JSON document. Times are
processor milliseconds of the thread that reads, lays out and runs the page, so that other work on the machine counts
little. "answers" is by the clock, on a processor throttled to a quarter: from the request to headings that sort when
they are clicked; only an idle machine tells it. Needs the packages of the tests and a Chromium.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

NAMES = ("TaskDuration", "ScriptDuration", "RecalcStyleDuration", "LayoutDuration")
SETTLED_MS = 700
TYPE = "(text) => { const field = document.querySelector('#board-filter'); field.value = text; "
TYPE += "field.dispatchEvent(new Event('input')); }"
THROTTLE = 4
ANSWERS = "() => document.querySelector('#board th button') ? performance.now() : false"
POLLED_MS = 10
SORT = "(key) => document.querySelector(`#board th[data-key='${key}'] button`).click()"


def measure_page(browser: Browser, path: Path) -> dict[str, float]:
    """Open a page in a fresh context; return the milliseconds of opening it, sorting it and typing into its filter."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _spent(session)
    page.goto(path.resolve().as_uri(), wait_until="load")
    page.wait_for_timeout(SETTLED_MS)
    found = {f"open: {name}": after - before[name] for name, after in _spent(session).items()}
    key = page.locator("#board thead th").nth(3).get_attribute("data-key")
    for name, script, value in (("sort", SORT, key), ("type", TYPE, "Method 01"), ("type on", TYPE, "Method 012")):
        found[name] = _step(page, session, script, value)
    context.close()
    return found


def measure_answer(browser: Browser, path: Path) -> float:
    """Open a page on a throttled processor; return the milliseconds until its board can be sorted."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    page.goto(path.resolve().as_uri(), wait_until="commit")
    found = float(page.wait_for_function(ANSWERS, polling=POLLED_MS).json_value())
    heading = page.locator("#board th:has(button)").nth(3)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") in ("ascending", "descending")
    context.close()
    return found


def _step(page: Page, session: CDPSession, script: str, value: str | None) -> float:
    before = _spent(session)["TaskDuration"]
    page.evaluate(script, value)
    page.wait_for_timeout(SETTLED_MS)
    return _spent(session)["TaskDuration"] - before


def _spent(session: CDPSession) -> dict[str, float]:
    metrics = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    return {name: metrics[name] * 1000 for name in NAMES}


def measure(paths: list[Path], runs: int) -> dict[str, Any]:
    """Return the median of each time by page; pages take turns."""
    found: dict[str, list[dict[str, float]]] = {str(path): [] for path in paths}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for _ in range(runs):
            for path in paths:
                found[str(path)].append(measure_page(browser, path) | {"answers": measure_answer(browser, path)})
        version = browser.version
        browser.close()
    medians = {
        path: {name: round(statistics.median(item[name] for item in items), 1) for name in items[0]}
        for path, items in found.items()
    }
    fastest = {path: round(min(item["answers"] for item in items), 1) for path, items in found.items()}
    return {
        "milliseconds": medians,
        "fastest_answer": fastest,
        "runs": runs,
        "chromium": version,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=7)
    chosen = parser.parse_args()
    sys.stdout.write(json.dumps(measure(chosen.pages, chosen.runs), indent=2) + "\n")


if __name__ == "__main__":
    main()
