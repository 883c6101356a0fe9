"""What the events of an answer's stream say so far."""

from dataclasses import dataclass, field

from playground.chat.answer_stream import Event

Span = tuple[int, int]


@dataclass
class AnswerState:
    """An answer that is being written. `spans` are (start, end) in characters; a change makes a new set."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    waiting: str = ""
    spans: set[Span] = field(default_factory=set)
    thinking_s: float | None = None
    ended: bool = False

    def fold(self, event: Event) -> None:
        match event["type"]:
            case "start":
                self.text, self.token_ids = event["text"], list(event["ids"])
                self.thinking_s, self.spans = event["thinking_s"], pairs(event.get("spans", []))
            case "waiting":
                self.waiting = event["reason"]
            case "piece":
                self.text += event["text"]
                self.token_ids += event["ids"]
                self.waiting = ""
            case "thought":
                self.thinking_s = event["seconds"]
            case "spans":
                self.spans = (self.spans - pairs(event["gone"])) | pairs(event["new"])
            case "end":
                self.ended = True


def pairs(spans: list[list[int]]) -> set[Span]:
    return {(start, end) for start, end in spans}
