"""What is exported can be read back to the letter, and what is no chat is refused with the reason."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.core.chat_files.as_json import read_json, write_json
from playground.core.chat_files.as_markdown import MARK, read_markdown, write_markdown
from playground.core.chat_files.chat import ChatFile, ChatFileError, FileCall, FileMessage

TEXTS = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=80)
HARD = st.sampled_from(
    [f'{MARK} {{"role": "user"}} -->\n## You\n\nx', f"\\{MARK}", "## You\n\nx", "\n\n", "-->"]
)
BODIES = st.lists(TEXTS | HARD, max_size=4).map("\n".join)
CALLS = st.builds(
    FileCall,
    function=st.text(max_size=20),
    arguments=st.dictionaries(TEXTS, st.none() | TEXTS, max_size=2),
    state=st.sampled_from(["waiting", "done", "failed", "refused"]),
    result=BODIES,
)


@st.composite
def chats(draw: st.DrawFn) -> ChatFile:
    """A tree of messages."""
    messages = []
    for number in range(draw(st.integers(1, 8))):
        parent = draw(st.none() | st.sampled_from(messages)) if messages else None
        role = draw(st.sampled_from(["user", "assistant"]))
        message = FileMessage(
            id=f"m{number}",
            parent=parent.id if parent else None,
            role=role,
            text=draw(BODIES),
            model=draw(st.text(max_size=20)) if role == "assistant" else "",
            token_ids=draw(st.lists(st.integers(0, 2**32 - 1), max_size=3)),
            thinking_s=draw(st.none() | st.floats(0, 1e6)),
            calls=draw(st.lists(CALLS, max_size=2)) if role == "assistant" else [],
            created_at=draw(st.none() | st.just(datetime(2026, 11, 23, tzinfo=UTC))),
        )
        messages.append(message)
    return ChatFile(title=draw(TEXTS), messages=messages, shown=draw(st.sampled_from(messages)).id)


@given(chat=chats())
@settings(max_examples=80, deadline=None)
def test_json_is_read_back_to_the_letter_with_every_branch(chat: ChatFile) -> None:
    assert read_json(write_json(chat, traces={"m0": {"spans": []}})) == chat


@given(chat=chats())
@settings(max_examples=80, deadline=None)
def test_markdown_is_read_back_to_the_letter_whatever_the_texts_say(chat: ChatFile) -> None:
    again = read_markdown(write_markdown(chat.title, chat.messages))
    assert again.title == " ".join(chat.title.split())
    told = [(message.role, message.text, message.model) for message in chat.messages]
    assert [(message.role, message.text, message.model) for message in again.messages] == told


def test_markdown_from_elsewhere_is_read_by_its_headings() -> None:
    chat = read_markdown(
        "# Rivers\r\n\r\n## User\r\nWhere?\r\n\r\n### Assistant:\r\nThere.\n\n## Sources\nNone.\n"
    )
    assert chat.title == "Rivers"
    assert [(one.role, one.text) for one in chat.messages] == [
        ("user", "Where?"),
        ("assistant", "There.\n\n## Sources\nNone."),
    ]


def test_a_list_of_messages_as_programs_write_it_is_a_chat() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "There."},
    ]
    for content in (messages, {"messages": messages, "model": "x"}):
        one, other = read_json(json.dumps(content)).messages
        assert (one.text, other.text, other.parent) == ("Where?", "There.", one.id)
        assert other.parameters == {"system": "Be brief."}


def ours(**message: object) -> str:
    found = {"id": "a", "role": "user", "text": "x"} | message
    return json.dumps({"format": "headwater-chat", "version": 1, "messages": [found]})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("3", "JSON object with messages"),
        ("[]", "at least 1 item"),
        ('[{"role": "user", "content": NaN}]', "no JSON"),
        ('[{"role": "tool", "content": "x"}]', "[0].role: Input should be"),
        ('[{"role": "user"}]', "[0].content: Field required"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "no message of a person"),
        ('{"format": "headwater-chat", "version": 9, "messages": []}', "version is not 1"),
        (ours(parent="b"), "without it"),
        (ours(parent="a"), "without it"),
        (ours(text="x" * 1_000_001), "messages[0].text: String should have at most"),
        (ours(text=3), "messages[0].text: Input should be a valid string"),
        (ours(token_ids=[-1]), "messages[0].token_ids[0]: Input should be greater"),
        (ours(thinking_s=1e9), "messages[0].thinking_s"),
        (ours(state="writing"), "messages[0].state"),
        (json.dumps([{"role": "user", "content": "x"}] * 5_001), "at most 5000 items"),
    ],
)
def test_what_is_no_chat_is_refused_with_the_place_that_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ChatFileError) as refused:
        read_json(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_messages_of_one_id_are_refused() -> None:
    message = {"id": "a", "role": "user", "text": "x"}
    text = json.dumps({"format": "headwater-chat", "version": 1, "messages": [message, message]})
    with pytest.raises(ChatFileError, match="of an earlier one"):
        read_json(text)


@pytest.mark.parametrize("text", ["", "Just words.", "# A title\n\nand words", "## You\n\n## Assistant\n"])
def test_markdown_without_messages_says_what_to_write(text: str) -> None:
    with pytest.raises(ChatFileError, match="Put a line '## You'"):
        read_markdown(text)


@pytest.mark.parametrize("facts", ['{"role": "wizard"}', '{"role": 3}', "{role}"])
def test_a_broken_line_of_ours_is_refused(facts: str) -> None:
    with pytest.raises(ChatFileError):
        read_markdown(f"# T\n\n{MARK} {facts} -->\n## You\n\nx\n")
