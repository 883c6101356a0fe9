"""Personal data in texts: Presidio's pattern recognisers, with their checksums and the words around a match.

No language model and no network: words are spaCy's blank English tokens, and the list of domains is the
one that tldextract brings along. Presidio is imported when a detector is made, since that takes seconds.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

from tracing.core.errors import InputError

KINDS: Final = {
    "CREDIT_CARD": "CreditCardRecognizer",
    "IBAN_CODE": "IbanRecognizer",
    "US_SSN": "UsSsnRecognizer",
    "UK_NINO": "UkNinoRecognizer",
    "UK_NHS": "NhsRecognizer",
    "EMAIL_ADDRESS": "EmailRecognizer",
    "PHONE_NUMBER": "PhoneRecognizer",
    "IP_ADDRESS": "IpRecognizer",
}
"""Names of Presidio's entities, and of the recognisers that find them."""

NEEDS_A_WORD: Final = {"UK_NHS"}
NEEDS_A_WORD_OR_GROUPS: Final = {"CREDIT_CARD"}
"""One number in ten passes their checksums by chance, so a word such as "card" must stand before them, or
the digits of a card must stand in groups."""
ENOUGH: Final = 0.65  # a checksum gives 1, a pattern 0.3 to 0.6, a word near it 0.35 more
CONTEXT: Final = 0.35
PIECE: Final = 20_000  # characters looked at together, for time that grows with the text and no faster
OVERLAP: Final = 200  # characters that two pieces share; no match is longer
AROUND: Final = 200  # characters before a match, in which words that support it are looked for


class Detector:
    """Finds some kinds of personal data. One thread at a time.

    InputError for a kind that is not among KINDS, or none at all.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        check_kinds(kinds)
        import spacy
        from presidio_analyzer import predefined_recognizers
        from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

        self._words = spacy.blank("en")
        self._recognizers = [getattr(predefined_recognizers, KINDS[kind])() for kind in sorted(kinds)]
        for recognizer in self._recognizers:
            _adapt(recognizer)
        self._enhancer = LemmaContextAwareEnhancer(
            context_similarity_factor=CONTEXT, context_matching_mode="whole_word"
        )

    def count(self, text: str) -> Counter[str]:
        """How many of each kind the text holds. What matched is not kept anywhere."""
        found = {match for start in range(0, len(text), PIECE) for match in self._matches(text, start)}
        return Counter(kind for kind, _, _ in found)

    def _matches(self, text: str, start: int) -> Iterator[tuple[str, int, int]]:
        """(kind, start, end) of what begins in the piece from `start` on."""
        first = max(0, start - OVERLAP)
        piece = text[first : start + PIECE + OVERLAP]
        for recognizer in self._recognizers:
            for result in recognizer.analyze(piece, recognizer.supported_entities):
                begin, end = first + result.start, first + result.end
                if start <= begin < start + PIECE and self._is_enough(recognizer, piece, result):
                    yield result.entity_type, begin, end

    def _is_enough(self, recognizer: Any, text: str, result: Any) -> bool:
        ungrouped = text[result.start : result.end].isdigit()
        if result.entity_type in NEEDS_A_WORD | (NEEDS_A_WORD_OR_GROUPS if ungrouped else set()):
            result.score = min(result.score, ENOUGH - 0.01)
        if result.score >= ENOUGH:
            return True
        return result.score + CONTEXT >= ENOUGH and self._score_in_context(recognizer, text, result) >= ENOUGH

    def _score_in_context(self, recognizer: Any, text: str, result: Any) -> float:
        """The score with the words before the match counted."""
        from presidio_analyzer.nlp_engine import NlpArtifacts

        first = max(0, result.start - AROUND)
        window = text[first : result.end + 1]
        words = self._words(window)
        lowered = [word.lower_ for word in words]
        places = [word.idx for word in words]
        artifacts = NlpArtifacts([], words, places, lowered, None, "en")
        artifacts.keywords = [word.lower_ for word in words if not (word.is_stop or word.is_punct)]
        result.start, result.end = result.start - first, result.end - first
        [better] = self._enhancer.enhance_using_context(window, [result], artifacts, [recognizer])
        return float(better.score)


def check_kinds(kinds: Collection[str]) -> None:
    """InputError unless these are kinds that a detector knows, at least one of them."""
    unknown = sorted(set(kinds) - KINDS.keys())
    if unknown or not kinds:
        wrong = (
            f"{unknown[0]!r} is no kind of personal data" if unknown else "No kind of personal data is given"
        )
        raise InputError(f"{wrong}: choose from {', '.join(KINDS)}.")


def _adapt(recognizer: Any) -> None:
    """Leave out patterns that no context could make enough, and keep e-mail addresses off the network."""
    if recognizer.supported_entities == ["US_SSN"]:
        recognizer.patterns = [p for p in recognizer.patterns if p.score + CONTEXT >= ENOUGH]
    if recognizer.supported_entities == ["EMAIL_ADDRESS"]:
        import tldextract

        bundled = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
        recognizer.validate_result = lambda address: bundled(address).fqdn != ""
