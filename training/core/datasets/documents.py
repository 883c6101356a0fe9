"""Rows become documents of a token store, each of which says the row that it is from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.core.chat import PLAIN, Rendered, prompt_chatml, render_chatml, render_plain
from training.core.datasets.rows import ChatRow, PreferenceRow, PromptRow, Row, Turns


@dataclass(frozen=True)
class Upload:
    """What is said of all documents of one data set."""

    id: str
    name: str
    """As people read it."""
    licence: str
    chat: str
    """The form that prompts are written in: plain or chatml."""
    functions: bool = False
    """Whether some of its conversations offer functions, or call them."""

    def metadata(self, line: int, row: Row) -> dict[str, Any]:
        """What every document of a row says."""
        title = f"{self.name}, row {line:,}"
        shared = {"source": self.name, "url": "", "title": title, "licence": self.licence, "date": ""}
        origin = {"origin": row.origin} if row.origin else {}
        return {**shared, "dataset": self.id, "row": line, **origin}


@dataclass(frozen=True)
class RowDocument:
    """One document: a conversation with its turns, or a prompt as it is put to a model."""

    text: str
    metadata: dict[str, Any]
    rendered: Rendered | None


def documents_of(line: int, row: Row, upload: Upload) -> Iterator[RowDocument]:
    """One document a row; of a preference two, the chosen one first, as DPO reads them."""
    match row:
        case ChatRow(turns):
            yield conversation(turns, upload.metadata(line, row))
        case PreferenceRow(prompt, chosen, rejected):
            for preference, answer in (("chosen", chosen), ("rejected", rejected)):
                metadata = {**upload.metadata(line, row), "pair": line, "preference": preference}
                yield conversation((*unlearned(prompt), *answer), metadata)
        case PromptRow():
            yield prompt_document(row, upload, line)


def conversation(turns: Turns, metadata: dict[str, Any]) -> RowDocument:
    rendered = render_chatml(turns)
    return RowDocument(rendered.text, metadata, rendered)


def unlearned(turns: Turns) -> Turns:
    """Earlier answers in a prompt, which are there to be followed."""
    return tuple(type(turn)(turn.role, turn.content, learned=False) for turn in turns)


def prompt_document(row: PromptRow, upload: Upload, line: int) -> RowDocument:
    """What the model is asked, in the form that it was trained in; answers to it are checked by metadata."""
    plain = upload.chat == PLAIN
    text = render_plain(row.turns, prompt=True) if plain else prompt_chatml(row.turns)
    question = "\n\n".join(turn.content for turn in row.turns if turn.role == "user")
    reward = {"question": question, "verifier": row.verifier, "reference": row.reference}
    return RowDocument(text, upload.metadata(line, row) | reward, None)
