"""Planted, fictitious personal data are found, in numbers reserved for it; ordinary text and code have none.

The numbers are those that their issuers set aside for tests and fiction: card networks' test numbers, the
IBAN registry's examples, Ofcom's fictional telephone numbers, domains of RFC 2606, addresses of RFC 5737.
"""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracing.core.documents.personal_data import KINDS, OVERLAP, PIECE, Detector
from tracing.core.errors import InputError

FOUND = {
    "Card: 4111 1111 1111 1111, valid to 12/29": {"CREDIT_CARD": 1},
    "paid by Visa 4012888888881881 yesterday": {"CREDIT_CARD": 1},
    "Account GB82 WEST 1234 5698 7654 32 please": {"IBAN_CODE": 1},
    "DE89370400440532013000": {"IBAN_CODE": 1},
    "social security number: 219-09-9999": {"US_SSN": 1},
    "His NINO is QQ123456C": {},
    "nino: AB123456C": {"UK_NINO": 1},
    "patient, NHS 999 000 0018": {"UK_NHS": 1},
    "write to ada@example.com or to grace@example.org": {"EMAIL_ADDRESS": 2},
    "my phone: +44 20 7946 0958": {"PHONE_NUMBER": 1},
    "ip 192.0.2.7": {"IP_ADDRESS": 1},
}
NOT_FOUND = [
    "",
    "The cat sat on the mat.",
    "pi = 3.141592653589793238462643383279502884197169399375105820974944",
    "7 + 8 = 15. carry 1. so 85.\n" * 50,
    "x = 4111111111111111",
    "4111 1111 1111 1112",
    "GB82 WEST 1234 5698 7654 33",
    "part number 219-09-9999 of the catalogue",
    "999 000 0018",
    "version 10.0.2.7",
    "user@localhost",
    "def test_two(self):\n    assert os.path.join('a', 'b') == 'a/b'  # see bpo-12345\n" * 20,
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(KINDS)


@pytest.mark.parametrize(("text", "kinds"), FOUND.items())
def test_planted_data_is_found_wherever_it_stands(detector: Detector, text: str, kinds: dict) -> None:
    assert detector.count(text) == kinds
    assert detector.count(f"Some prose.\n{text}\nMore of it.") == kinds
    early, late = "a b. " * (PIECE // 5 - 2), "c d. " * 100
    assert detector.count(early + text + "\n" + late) == kinds


@pytest.mark.parametrize("text", NOT_FOUND)
def test_ordinary_text_has_none(detector: Detector, text: str) -> None:
    kinds = detector.count(text)
    assert not kinds.keys() - {"PHONE_NUMBER"}, kinds


@given(st.integers(0, 2 * OVERLAP))
@settings(max_examples=30, deadline=None)
def test_a_match_on_the_edge_of_two_pieces_counts_once(before: int) -> None:
    text = "a" * (PIECE - OVERLAP + before) + " Card: 4111 1111 1111 1111 " + "b" * 300
    assert CARDS.count(text) == {"CREDIT_CARD": 1}


CARDS = Detector(["CREDIT_CARD"])


def test_only_the_kinds_asked_for_are_found() -> None:
    text = "ada@example.com, Card: 4111 1111 1111 1111"
    assert CARDS.count(text) == {"CREDIT_CARD": 1}
    assert Detector(["EMAIL_ADDRESS"]).count(text) == {"EMAIL_ADDRESS": 1}


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a connection was tried: {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Detector(KINDS).count("mail ada@example.com")["EMAIL_ADDRESS"] == 1


@pytest.mark.parametrize("kinds", [[], ["PERSON"], ["credit_card"], ["CREDIT_CARD", ""]])
def test_kinds_that_there_are_not_are_refused(kinds: list[str]) -> None:
    with pytest.raises(InputError, match="choose from CREDIT_CARD"):
        Detector(kinds)
