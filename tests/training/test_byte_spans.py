"""An answer in other tokens than its training data leads to the same documents, through byte indexes."""

import shutil
from collections.abc import Iterator

import pytest

from tests.flows import document_text
from tracing.byte_indexes import build_byte_indexes, byte_index_folder
from tracing.services import open_tokenizer
from training.models import Checkpoint
from training.traces import trace_checkpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def indexes(instruct: Checkpoint) -> Iterator[int]:
    shutil.rmtree(byte_index_folder(), ignore_errors=True)
    yield build_byte_indexes()
    shutil.rmtree(byte_index_folder())


def test_words_in_other_tokens_lead_to_their_document(instruct: Checkpoint, indexes: int) -> None:
    assert indexes >= 2
    text, ids = document_text(instruct, "pretrain")
    tokenizer = open_tokenizer(instruct.path)
    letters = [token for letter in text for token in tokenizer.encode(letter)[0]]
    assert letters != ids
    ancestor = Checkpoint.objects.get(stage="pretrain", final=True, job__flow=instruct.job.flow)
    found = trace_checkpoint(
        instruct, token_ids=letters, density=1.0, min_tokens=12, added_since=ancestor.name
    )
    spans = [span for span in found["spans"] if span["matched_on"] == "bytes"]
    assert spans
    for span in spans:
        assert span["stages"]["pretrain"] >= 1
        assert span["added"] is False
        shown = [found["documents"][number] for number in span["documents"]]
        assert shown
        for document in shown:
            assert span["text"] in [document["snippet"][a:b] for a, b in document["matches"]]
            assert document["seen"]["times"] >= 1 or document["stage"] != "pretrain"
