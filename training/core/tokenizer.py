"""The tokenizer of a flow: byte-level BPE trained on its own corpus, saved as a Hugging Face directory.

How text is cut before merging matters to everything downstream: a run of newlines is always a piece of its own, so
"question, blank line" is the same ids whether or not an answer follows; digits stand alone, so sums are learnable;
a dot or underscore goes with the name after it (`os`, `.path`, `.join`).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.core.chat import END_OF_TEXT, PAD, SPECIAL_TOKENS, TEMPLATES, THINK_TOKENS, TURN_END

PIECES = r"""'(?:[sdmt]|ll|ve|re)\b|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\n+|[^\S\n]+(?!\S)|[^\S\n]+"""


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """A tokenizer of at most `vocabulary_size` entries: specials, bytes, merges, then the thinking tags."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
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


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, chat: str, longest: int) -> None:
    """Write `tokenizer.json`, its configuration and the chat template (`plain` or `chatml`) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_template(folder, chat=chat, longest=longest)


def write_template(folder: Path, *, chat: str, longest: int) -> None:
    """Write what goes with a `tokenizer.json`: which tokens are special, the context length, the chat template."""
    (folder / "tokenizer_config.json").write_text(json.dumps(_configuration(longest), indent=1) + "\n")
    (folder / "chat_template.jinja").write_text(TEMPLATES[chat])


def _configuration(longest: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": END_OF_TEXT,
        "eos_token": TURN_END,
        "unk_token": None,
        "model_max_length": longest,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
