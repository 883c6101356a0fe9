"""A model's directory from elsewhere, looked at before anything of it is copied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tracing.core.errors import TracingError
from tracing.core.text.tokenizer import TextTokenizer
from training.core.chat import CHATML, PLAIN, TEMPLATES, TURN_START
from training.core.errors import ImportRefused
from training.core.functions import FUNCTIONS_OPEN
from training.core.importing.json_files import own_file, read_if_there, read_object
from training.core.importing.weights import INDEX, check_tensors, tensor_shapes, weight_files

ARCHITECTURES = {
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo3",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}
"""What both transformers and vLLM run, with one stack of decoder layers that they name alike."""
REMOTE_CODE = "auto_map"
COPIED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
          "special_tokens_map.json")  # fmt: skip
TEMPLATE = "chat_template.jinja"


@dataclass(frozen=True)
class ModelFolder:
    """A directory that was found sound: what of it is copied, and what it is."""

    folder: Path
    files: tuple[str, ...]
    template: str
    """Its chat template, or how a base model is written to where it has none."""
    chat: str
    thinking: bool
    functions: bool
    tokenizer: str
    """Digest of tokenizer.json."""
    size_bytes: int


def inspect_model(folder: Path) -> ModelFolder:
    """What can be imported from the directory. Raises ImportRefused with the first reason why nothing can."""
    if not folder.is_dir():
        raise ImportRefused(f"{folder} is no directory: name one that save_pretrained or a download wrote")
    if (folder / "adapter_config.json").exists():
        raise ImportRefused(f"{folder} holds an adapter: merge it into its base and import that")
    config = read_object(folder, "config.json")
    tokens = read_if_there(folder, "tokenizer_config.json")
    for name, content in (("config.json", config), ("tokenizer_config.json", tokens)):
        if REMOTE_CODE in content:
            raise ImportRefused(f"{name} asks for code of its own ({REMOTE_CODE}): no code of models is run")
    check_weights(folder, config)
    template = template_of(folder, tokens)
    files = [name for name in COPIED if (folder / name).exists()]
    files += [path.name for path in weight_files(folder)]
    files += [INDEX] if (folder / INDEX).exists() else []
    return ModelFolder(
        folder,
        tuple(files),
        template or TEMPLATES[PLAIN],
        CHATML if TURN_START in template else PLAIN,
        "<think>" in template,
        FUNCTIONS_OPEN in template,
        check_tokenizer(folder, config),
        sum(own_file(folder, name).stat().st_size for name in files),
    )


def check_weights(folder: Path, config: dict[str, Any]) -> None:
    """That the architecture is one of ours to run, and the weights are what its configuration calls for."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and len(names) == 1 else names
    if not isinstance(name, str) or ARCHITECTURES.get(name) != config.get("model_type"):
        raise ImportRefused(
            f"config.json says architecture {name!r} of type {config.get('model_type')!r}: what can be "
            f"imported is {', '.join(ARCHITECTURES)}"
        )
    if config.get("quantization_config"):
        raise ImportRefused("the weights are quantised (config.json): import the model as it was before")
    found = tensor_shapes(folder)
    try:
        settings = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(settings)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a configuration from elsewhere makes transformers raise
        raise ImportRefused(f"config.json describes no model that can be made: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_tensors(found, expected, bool(settings.tie_word_embeddings))


def check_tokenizer(folder: Path, config: dict[str, Any]) -> str:
    """The digest of tokenizer.json. Raises ImportRefused for one that cannot be read, or knows more tokens
    than the model has."""
    own_file(folder, "tokenizer.json")
    try:
        tokenizer = TextTokenizer.open(folder)
    except TracingError as error:
        raise ImportRefused(f"the tokenizer cannot be used: {error}") from error
    if tokenizer.vocab_size > config["vocab_size"]:
        raise ImportRefused(
            f"tokenizer.json has {tokenizer.vocab_size:,} tokens, the model {config['vocab_size']:,}: "
            "they do not belong together"
        )
    return tokenizer.digest


def template_of(folder: Path, tokens: dict[str, Any]) -> str:
    """The chat template, from its own file or the tokenizer's configuration; empty where there is none."""
    if (folder / TEMPLATE).exists() or (folder / TEMPLATE).is_symlink():
        return own_file(folder, TEMPLATE).read_text("utf-8", errors="replace")
    template = tokens.get("chat_template")
    return template if isinstance(template, str) else ""
