"""How soon Chromium paints a page for the first time, over loopback, and how much moves while it loads.

`python -m benchmarks.first_paint [--messages 60] [--rounds 5]`. The home page and a chat of so many messages,
each opened afresh in headless Chromium (which draws in software here), by a visitor who has no files of the
site kept ("first visit") and by one who has.
"""

import argparse
import asyncio
import os
import secrets
import statistics
from typing import Any

from benchmarks import measuring
from benchmarks.live import site
from benchmarks.measuring import Row
from benchmarks.smoothness import browser_page, make_thread, served

FIGURES = """() => new Promise((told) => {
    let shift = 0;
    const add = (list) => list.getEntries().forEach((entry) => { shift += entry.value; });
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    const after = (painted) => setTimeout(() => told([painted.startTime, shift]), 300);
    new PerformanceObserver((list) => list.getEntriesByName("first-contentful-paint").forEach(after))
        .observe({ type: "paint", buffered: true });  // it may come after the page has loaded
})"""


async def measure(messages: int, rounds: int) -> list[Row]:
    from playground.models import MessageState

    thread, message, session_key = await asyncio.to_thread(make_thread, messages)
    message.state = MessageState.COMPLETE
    await message.asave()
    found: dict[str, list[tuple[float, float]]] = {}
    pages = (("home", "/"), (f"a chat of {messages:,} messages", f"/chat/{thread.pk}/"))
    with served() as address:
        async with browser_page(address, session_key) as page:
            for _, path in pages:
                await opened(page, address + path)  # the process's first request imports what it needs
        for _ in range(rounds):
            for name, path in pages:
                async with browser_page(address, session_key) as page:
                    for visit in ("first visit", "again"):
                        found.setdefault(f"{name}, {visit}", []).append(await opened(page, address + path))
    return [row_of(what, figures) for what, figures in found.items()]


async def opened(page: Any, address: str) -> tuple[float, float]:
    """Milliseconds to the first contentful paint, and the layout shift until a moment after loading."""
    await page.goto(address, wait_until="load")
    painted_ms, shift = await page.evaluate(FIGURES)
    return painted_ms, shift


def row_of(what: str, figures: list[tuple[float, float]]) -> Row:
    painted = [painted_ms for painted_ms, _ in figures]
    return {
        "what": what,
        "first paint, ms: median": statistics.median(painted),
        "largest": max(painted),
        "layout shift, largest": max(shift for _, shift in figures),
        "n": len(figures),
    }


def main() -> None:
    options, load = parse(), measuring.load()
    os.environ |= {"HEADWATER_ANONYMOUS": "1", "SECRET_KEY": secrets.token_hex(32)}
    with site():
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        rows = asyncio.run(measure(options.messages, options.rounds))
    notes = ["Headless Chromium, drawing in software, on the same cores as the site that it shows."]
    measuring.keep(options, "first-paint", "First paint over loopback", notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--messages", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
