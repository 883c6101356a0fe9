"""A thread with branches, told by short names."""

import pytest

from accounts.models import User
from playground.chat.threads import Prompt, add_turn, answer_again, create_thread, edit_prompt
from playground.models import Message, MessageState
from training.models import Checkpoint


class Tree:
    """One thread of a person. Every answer is ended as soon as it is asked for."""

    def __init__(self, owner: User, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.thread, answer = create_thread(owner=owner, session_key="", prompt=self.prompt("one"))
        self.first = self.ended(answer, "1")

    def prompt(self, text: str) -> Prompt:
        return Prompt(text, self.checkpoint)

    def ended(self, answer: Message, text: str) -> Message:
        Message.objects.filter(pk=answer.pk).update(raw_text=text, state=MessageState.COMPLETE)
        self.thread.refresh_from_db()
        return Message.objects.get(pk=answer.pk)

    def say(self, text: str, answer: str, *, after: Message | None = None) -> Message:
        return self.ended(add_turn(thread=self.thread, prompt=self.prompt(text), after=after), answer)

    def again(self, before: Message, text: str) -> Message:
        return self.ended(answer_again(answer=before, prompt=self.prompt("")), text)

    def edit(self, prompt: Message, text: str, answer: str) -> Message:
        return self.ended(edit_prompt(message=prompt, prompt=self.prompt(text)), answer)


@pytest.fixture
def checkpoint(db: None) -> Checkpoint:
    return Checkpoint.objects.create(
        name="demo-branching", stage="instruct-sft", step=9, steps=9, final=True, chat="chatml"
    )


@pytest.fixture
def reader(db: None) -> User:
    return User.objects.create_user("branching-reader", password="a long password")


@pytest.fixture
def tree(reader: User, checkpoint: Checkpoint) -> Tree:
    return Tree(reader, checkpoint)


def texts(messages: list[Message]) -> list[str]:
    return [message.raw_text for message in messages]
