"""How llama.cpp cuts text before it merges: a fixed set of ways, by name, which a GGUF file chooses from.

A file cannot bring a way of its own, so a tokenizer is tried against the ones that llama.cpp knows, and the
first that gives the same ids is taken. The expressions are those that the tokenizers of the models themselves
publish (GPT-2, Qwen 2, Llama 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, pre_tokenizers

from training.core.errors import ExportRefused

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CL100K = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WAYS = {
    "qwen2": (CL100K.replace("DIGITS", ""),),
    "dbrx": (CL100K.replace("DIGITS", "{1,3}"),),
    "gpt-2": (GPT2,),
    "smollm": (r"\p{N}", GPT2),
}
ENOUGH = 0.99
PROBES = (
    "What is 12 + 745?\n\nones: 2 + 5 = 7.\n",
    "It's said they'll go, don't they? I'm\tsure.",
    "def f(x):\n    if x:\n        return os.path.join(a, *p)\n\n\n",
    "<think>\nSo.\n</think>\nThe answer is 7.",
    "naïve café, Straße, 日本語 и русский 🙂\r\n",
    "a  b   c\n \n  d",
)


@dataclass(frozen=True)
class Cut:
    """The way that fits, and how many of the texts that were tried get the same ids by it."""

    name: str
    alike: int
    tried: int


def fitting_cut(tokenizer: Tokenizer, texts: Sequence[str]) -> Cut:
    """llama.cpp's way that gives this tokenizer's ids for the most of `texts` and of PROBES.

    Raises ExportRefused where the best one fails for more than one text in a hundred.
    """
    tried = [*PROBES, *texts]
    expected = [encoding.ids for encoding in tokenizer.encode_batch(tried, add_special_tokens=False)]
    cuts = [Cut(name, agreeing(tokenizer, name, tried, expected), len(tried)) for name in WAYS]
    best = max(cuts, key=lambda cut: cut.alike)
    if best.alike < ENOUGH * best.tried:
        raise ExportRefused(
            f"llama.cpp cuts text in ways of its own, and none gives this tokenizer's ids: the best, "
            f"{best.name}, does for {best.alike} of {best.tried} texts. Export without --gguf"
        )
    return best


def agreeing(tokenizer: Tokenizer, name: str, texts: Sequence[str], expected: Sequence[list[int]]) -> int:
    other = Tokenizer.from_str(tokenizer.to_str())
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in WAYS[name]]
    other.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(False, use_regex=False)])
    found = [encoding.ids for encoding in other.encode_batch(list(texts), add_special_tokens=False)]
    return sum(ours == theirs for ours, theirs in zip(expected, found, strict=True))
