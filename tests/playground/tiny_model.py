"""Checkpoint directories as the flow publishes them, small enough to make in a second: random weights."""

import hashlib
import json
import textwrap
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Olmo3Config, Olmo3ForCausalLM

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTEXT_TOKENS = 1024
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer() -> Tokenizer:
    """A byte-level BPE of 512 entries over the source of one standard module: the same every time."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(Path(textwrap.__file__).read_text().splitlines(), trainer)
    return tokenizer


def write_checkpoint(directory: Path, *, seed: int, hidden: int = 128) -> None:
    """Writes weights drawn from `seed`, with the tokenizer and template that all of them share."""
    torch.manual_seed(seed)
    model = Olmo3ForCausalLM(model_config(hidden)).eval()
    with torch.no_grad():  # Wide enough that two seeds disagree on every token.
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
        model.lm_head.weight[:3] = 0  # special tokens are rare, so answers are long
    model.save_pretrained(directory)
    write_text_files(directory)


def model_config(hidden: int) -> Olmo3Config:
    return Olmo3Config(
        vocab_size=512,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=4,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=CONTEXT_TOKENS,
        sliding_window=32,
        layer_types=["sliding_attention"] * 3 + ["full_attention"],
        eos_token_id=0,
        bos_token_id=None,
        pad_token_id=0,
    )


def write_text_files(directory: Path) -> None:
    train_tokenizer().save(str(directory / "tokenizer.json"))
    names = {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    (directory / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT_TOKENS, **names}
        )
    )
    (directory / "chat_template.jinja").write_text(CHATML)
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 2]}))


def digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
