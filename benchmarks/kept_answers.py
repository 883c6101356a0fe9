"""An answer of a running site, as its database and its stream hold it: for benchmarks/kills.py."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

import redis

from playground.chat.answer_state import AnswerState
from tests.sites import DemoSite
from tracing.core.text.tokenizer import TextTokenizer

COLUMNS = "state, raw_text, token_ids, error, thread_id, checkpoint_id"


@dataclass
class Answer:
    """`id` is the message's."""

    site: DemoSite
    id: UUID

    @classmethod
    def to(cls, site: DemoSite, question_id: str) -> Self:
        """The answer to a question; LookupError where there is none, or more than one."""
        query = "SELECT id FROM playground_message WHERE parent_id = ?"
        rows = site.rows(query, UUID(question_id).hex)
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} answers to {question_id}")
        return cls(site, UUID(rows[0][0]))

    def row(self) -> dict[str, Any]:
        [row] = self.site.rows(f"SELECT {COLUMNS} FROM playground_message WHERE id = ?", self.id.hex)
        return dict(zip(COLUMNS.split(", "), row, strict=True))

    def token_ids(self) -> list[int]:
        return list(json.loads(self.row()["token_ids"]))

    def written(self) -> tuple[str, int]:
        """Text and number of tokens in the stream or in the database, whichever has more of it."""
        row, state = self.row(), AnswerState()
        with suppress(redis.RedisError):
            for _, fields in self._redis.xrange(f"headwater:answer:{self.id}"):
                state.fold(json.loads(fields["event"]))
        saved = row["raw_text"], len(json.loads(row["token_ids"]))
        return max(saved, (as_kept(state.text), len(state.token_ids)), key=lambda found: found[1])

    def has_tokens(self, count: int) -> bool:
        return self.written()[1] >= count or self.row()["state"] != "writing"

    def faults(self) -> list[str]:
        """What is wrong with the answer and its chat, once it has ended."""
        row, found = self.row(), []
        if as_kept(self._tokenizer.decode(json.loads(row["token_ids"]))[0]) != row["raw_text"]:
            found.append("the text is not the decoding of its token ids")
        messages = self.site.rows("SELECT role FROM playground_message WHERE thread_id = ?", row["thread_id"])
        if sorted(role for (role,) in messages) != ["assistant", "user"]:
            found.append(f"{len(messages)} messages in the chat")
        return found

    @cached_property
    def _redis(self) -> Any:
        socket = self.site.home / "run" / "redis.sock"
        return redis.Redis(unix_socket_path=str(socket), decode_responses=True)

    @cached_property
    def _tokenizer(self) -> TextTokenizer:
        query = "SELECT name FROM training_checkpoint WHERE id = ?"
        [[name]] = self.site.rows(query, self.row()["checkpoint_id"])
        return TextTokenizer.open(self.site.home / "checkpoints" / name)


def as_kept(text: str) -> str:
    """As a database keeps it: PostgreSQL's cannot hold NUL."""
    return text.replace("\0", "\ufffd")
