"""The tokenizer of a flow: byte-level BPE trained on its own corpus, saved as a Hugging Face directory.

How text is cut before merging matters to everything downstream: a run of newlines is always a piece of its
own, so "question, blank line" is the same ids whether or not an answer follows; digits stand alone, so sums
are learnable; a dot or underscore goes with the name after it (`os`, `.path`, `.join`).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from tracing.core.text.tokenizer import TextTokenizer
from training.core.chat import END_OF_TEXT, PAD, SPECIAL_TOKENS, THINK_TOKENS, TURN_END, template_of
from training.core.errors import RecipeError

PIECES = "|".join(
    [
        r"'(?:[sdmt]|ll|ve|re)\b",  # English endings
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # a word, with the space, dot or underscore before it
        r"\p{N}",
        r" ?[^\s\p{L}\p{N}]+",
        r"\n+",
        r"[^\S\n]+(?!\S)",  # indentation, but for the space that goes with a word
        r"[^\S\n]+",
    ]
)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary_size` entries: specials, bytes, merges, then the thinking tags."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(THINK_TOKENS),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in THINK_TOKENS])
    return tokenizer


def open_tokenizer_file(folder: Path) -> Tokenizer:
    """The tokenizer of a tokenizer's or checkpoint's directory. Raises tracing's StoreMissing or
    StoreDamaged."""
    TextTokenizer.open(folder)  # says what is wrong, where the library raises a bare Exception
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, chat: str) -> None:
    """Write `tokenizer.json`, its configuration and the chat template (`plain` or `chatml`) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_template(folder, chat=chat)


def write_template(folder: Path, *, chat: str, functions: bool = False, context: int | None = None) -> None:
    """Write what goes with a `tokenizer.json`: which tokens are special, the chat template (with a place for
    `functions` or without), the model's context."""
    limit = {} if context is None else {"model_max_length": context}
    (folder / "tokenizer_config.json").write_text(json.dumps(_configuration() | limit, indent=1) + "\n")
    (folder / "chat_template.jinja").write_text(template_of(chat, functions=functions))


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token. Raises RecipeError where the vocabulary has none."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise RecipeError(f"the tokenizer has no {token} token: it cannot be used for this stage")
    return int(number)


def _configuration() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": END_OF_TEXT,
        "eos_token": TURN_END,
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
