"""What happens with thousands of open streams, and with clients that send or read very slowly.

`python -m benchmarks.crowd [--streams 500 5000] [--answers 50] [--pace 30] [--at-once 5000] [--programs 5000]
[--slow 2000] [--readers 500]`. The site runs as the demo starts it, in a process of its own, with vLLM and a
model of random weights. So many pages hold the streams of some answers open; then each answer is written, and
it is measured how late its words are in its pages, what the web process takes, and how quickly a new visitor
has a page and a program an answer. Programs ask /v1 for so many answers at once. Slow clients send headers or
a body a byte a second; slow readers open a stream and never read it.

5,000 streams of /v1 hold 10,000 files open: raise the hard limit (`ulimit -Hn`) to 20,000 at least.
"""

import argparse
import asyncio
import os
import resource
import secrets
from contextlib import ExitStack
from dataclasses import replace

from benchmarks import measuring
from benchmarks.crowd.programs import programs
from benchmarks.crowd.site import Web, engine, web_process
from benchmarks.crowd.slow import slow_clients, slow_readers
from benchmarks.crowd.streams import WORDS, streams
from benchmarks.live import site
from benchmarks.measuring import Row
from benchmarks.smoothness import spread


def main() -> None:
    options, load = parse(), measuring.load()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.environ |= {"HEADWATER_ANONYMOUS": "1", "SECRET_KEY": secrets.token_hex(32)}
    with ExitStack() as stack:
        stack.enter_context(site())
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        key = stack.enter_context(engine())
        web = replace(stack.enter_context(web_process()), key=key)
        rows = measured(options, web)
    notes = [
        f"Answers of {WORDS} words, {options.pace:g} a second. One web process, which may open "
        f"{most:,} files. Times of all pages, answers and words; other values stand under median.",
    ]
    measuring.keep(options, "crowd", "Thousands of open streams, and slow clients", notes, rows, load)


def parse() -> argparse.Namespace:
    parser = measuring.parser(__doc__)
    parser.add_argument("--streams", type=int, nargs="*", default=[500, 5000])
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--pace", type=float, default=30, help="words a second of each answer")
    parser.add_argument("--at-once", type=int, default=5000, help="streams that are opened at the same time")
    parser.add_argument("--programs", type=int, nargs="*", default=[500, 5000], help="answers of /v1 at once")
    parser.add_argument("--slow", type=int, default=2000, help="clients that send slowly")
    parser.add_argument("--readers", type=int, default=500, help="clients that do not read")
    return parser.parse_args()


def measured(options: argparse.Namespace, web: Web) -> list[Row]:
    rows = told(asyncio.run(empty(web)))
    for count in options.streams:
        answers = min(options.answers, count)
        rows += told(asyncio.run(streams(count, answers, options.pace, options.at_once, web)))
    for count in options.programs if web.key else []:
        rows += told(asyncio.run(programs(count, web)))
    if options.slow:
        rows += told(asyncio.run(slow_clients(options.slow, web)))
    if options.readers:
        rows += told(asyncio.run(slow_readers(options.readers, web)))
    return rows


async def empty(web: Web) -> list[Row]:
    """The same without any stream."""
    await web.page_times(3)  # what is read once
    await web.answer_times(2)
    return [
        {"what": "nobody there: a new visitor's page, ms"} | spread(await web.page_times()),
        {"what": "an answer of /v1, ms"} | spread(await web.answer_times()),
    ]


def told(rows: list[Row]) -> list[Row]:
    print("\n".join(measuring.table(rows)), flush=True)
    return rows


if __name__ == "__main__":
    main()
