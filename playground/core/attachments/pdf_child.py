"""Reads a PDF from standard input and writes {"text", "pages"} or {"problem"} as JSON; run by `pdf`.

It may take 20 s of CPU time and 1 GiB of memory, and then ends, whatever the file makes pypdf do.
"""

import io
import json
import logging
import resource
import sys
from typing import Any

MAX_PAGES = 500
MEMORY_BYTES = 2**30
CPU_S = 20


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    logging.disable()
    content = sys.stdin.buffer.read()
    try:
        answer = read(content)
    except Exception:  # whatever pypdf raises over a broken file, and MemoryError
        answer = {"problem": "broken"}
    sys.stdout.write(json.dumps(answer))


def read(content: bytes) -> dict[str, Any]:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"problem": "locked"}
    if len(reader.pages) > MAX_PAGES:
        return {"problem": "pages"}
    pages = [page.extract_text().replace("\0", "\ufffd").strip() for page in reader.pages]
    return {"text": "\n\n".join(page for page in pages if page), "pages": len(pages)}


if __name__ == "__main__":
    main()
