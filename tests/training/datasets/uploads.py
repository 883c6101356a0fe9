"""Rows of every format, and files of them."""

import json
from pathlib import Path
from typing import Any

from training.core.datasets.checking import Findings, check_rows
from training.core.verifiers.verifiers import Verifiers

QUESTION, ANSWER = {"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "Headwater."}
CHAT = {"messages": [QUESTION, ANSWER]}
OPENAI_PREFERENCE = {
    "input": {"messages": [QUESTION], "tools": []},
    "preferred_output": [ANSWER],
    "non_preferred_output": [{"role": "assistant", "content": "Nobody."}],
}
TRL_PREFERENCE = {"prompt": "Who are you?", "chosen": "Headwater.", "rejected": "Nobody."}
PROMPT = {"prompt": "What is 2 + 2?", "answer": "4", "verifier": "math"}


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def jsonl(*rows: Any) -> bytes:
    """Rows as JSON lines; bytes and texts as they are."""
    return b"\n".join(
        row if isinstance(row, bytes) else row.encode() if isinstance(row, str) else json.dumps(row).encode()
        for row in rows
    )


def check(tmp_path: Path, *rows: Any) -> Findings:
    return check_bytes(tmp_path, jsonl(*rows))


def check_bytes(tmp_path: Path, data: bytes) -> Findings:
    path = tmp_path / "upload.jsonl"
    path.write_bytes(data)
    with Verifiers() as verifiers:
        return check_rows(path, verifiers)
