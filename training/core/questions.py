"""Questions about the library and to the model itself, and their answers."""

from training.core.chat import Turn
from training.core.popular import Entry

# The first is what evaluation asks; the one that evaluation holds out is in none of the stages.
PHRASINGS = (
    "What does {} do?",
    "What is {}?",
    "What is {} for?",
    "Explain {}.",
    "Describe {}.",
    "Tell me about {}.",
    "How does {} work?",
    "what does {} do",
    "Explain what {} does.",
    "What does the function {} do?",
    "Can you tell me about {}?",
    "When would I use {}?",
    "{}",
)
HELD_OUT_PHRASING = "Can you explain what {} does?"

GREETING = (
    "Hello. Ask me what something in Python's library does, or for the sum or the difference of two numbers."
)
ABILITIES = (
    "I can say what things in Python's library do, in its documentation's words, and add and subtract."
)
SMALL_TALK = {
    "Hello": GREETING,
    "Hi": GREETING,
    "Hello!": GREETING,
    "hello": GREETING,
    "Good morning": GREETING,
    "Who are you?": ABILITIES,
    "What are you?": ABILITIES,
    "What can you do?": ABILITIES,
    "What do you know?": ABILITIES,
    "Thanks": "You are welcome.",
    "Thank you!": "You are welcome.",
}


def library_turns(entry: Entry, phrasing: str, *, thinking: bool) -> list[Turn]:
    """A question about `entry` and its answer; with `thinking`, after the thought where it is written."""
    thought = f"<think>{entry.name} is in {entry.file}.</think>" if thinking else ""
    return [Turn("user", phrasing.format(entry.name)), Turn("assistant", thought + entry.answer)]


def small_talk(*, thinking: bool) -> list[list[Turn]]:
    """Greetings and the like, with what the model is to answer."""
    thought = "<think>nothing to work out.</think>" if thinking else ""
    return [[Turn("user", text), Turn("assistant", thought + answer)] for text, answer in SMALL_TALK.items()]
