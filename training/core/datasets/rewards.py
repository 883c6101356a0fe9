"""How the answers to a prompt are rewarded: its verifier and reference, however the row spells them."""

import json
from collections.abc import Mapping
from typing import Any

from training.core.datasets.problems import RowError
from training.core.verifiers.statement import cleaned, number_of
from training.core.verifiers.verdict import VerifierError
from training.core.verifiers.verifiers import Verifiers

# Key of the reference -> the verifier where the row names none; "" for by what it is.
REFERENCES = {
    "reference": "",
    "answer": "",
    "reference_answer": "",
    "constraints": "constraints",
    "tests": "code",
}


def reward_of(row: Mapping[str, Any], verifiers: Verifiers) -> tuple[Any, Any]:
    """(verifier, reference) as training/core/evaluation/items.py spells them, checked. Raises RowError."""
    given = [name for name in REFERENCES if name in row]
    if len(given) > 1:
        raise RowError("reference", f"the row has {given[0]} and {given[1]}: write one of them")
    if not given:
        raise RowError("reference", f"the row has a verifier but none of {', '.join(REFERENCES)}")
    name = given[0]
    reference = {"tests": row[name]} if name == "tests" and isinstance(row[name], list) else row[name]
    check_characters(reference)
    verifier = row.get("verifier") or REFERENCES[name] or verifier_for(reference)
    try:
        verifiers.find(verifier).check_reference(reference)
    except VerifierError as error:
        raise RowError("reference", str(error)) from error
    return verifier, reference


def check_characters(reference: Any) -> None:
    """Raises RowError for what no text holds; a reference is kept in the store's metadata."""
    written = json.dumps(reference, ensure_ascii=False)
    if not written.isascii():
        try:
            written.encode()
        except UnicodeEncodeError as error:
            raise RowError("character", "the reference holds half a surrogate pair") from error
    if "\\u0000" in written:
        raise RowError("character", "the reference holds the character NUL: leave it out")


def verifier_for(reference: Any) -> str:
    """`math` for a number, `exact` for any other text."""
    is_number = isinstance(reference, int | float) and not isinstance(reference, bool)
    if is_number or (isinstance(reference, str) and number_of(cleaned(reference)) is not None):
        return "math"
    return "exact"
