"""The text of a PDF, read by pypdf in a child process: one made to be slow or huge ends with it."""

import json
import subprocess
import sys
from pathlib import Path

from playground.core.attachments.errors import AttachmentError

TIMEOUT_S = 30
ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "playground.core.attachments.pdf_child"]
WHY = {
    "locked": "is protected by a password. Save it without one and attach it again.",
    "pages": "has too many pages, more than 500. Attach the pages that matter.",
    "broken": "cannot be read as a PDF. Save it again, or attach its text.",
}


def read_pdf(name: str, content: bytes) -> tuple[str, int]:
    """(text, pages), the pages parted by empty lines. AttachmentError where nothing can be read."""
    try:
        done = subprocess.run(
            COMMAND, input=content, capture_output=True, cwd=ROOT, env={}, timeout=TIMEOUT_S, check=False
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise AttachmentError(
            f"{name} took longer than {TIMEOUT_S} s to read. Attach its text instead."
        ) from error
    except ValueError:  # the child ran out of its memory or its time
        answer = {"problem": "broken"}
    if "problem" in answer:
        raise AttachmentError(f"{name} {WHY[answer['problem']]}")
    return answer["text"], answer["pages"]
