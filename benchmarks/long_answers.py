"""A model whose answers are long, for a running site: the test recipe's models end theirs at once.

Its weights are drawn at random, so what it writes means nothing; it has a corpus all the same, and is traced.
"""

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from tests.playground.tiny_model import write_checkpoint
from tests.sites import ROOT, DemoSite

MODEL = "long-answers"
TOKENS = 900
HIDDEN = 256


def add_long_model(site: DemoSite) -> None:
    """Import the model and its corpus, unless the site has it."""
    if site.rows("SELECT id FROM training_checkpoint WHERE name = ?", MODEL):
        return
    with tempfile.TemporaryDirectory() as folder:
        directory, corpus = Path(folder) / "model", Path(folder) / "corpus.jsonl"
        directory.mkdir()
        write_checkpoint(directory, seed=5, hidden=HIDDEN)
        lines = [{"text": part} for part in Path(textwrap.__file__).read_text().split("\n\n")]
        corpus.write_text("\n".join(map(json.dumps, lines)))
        options = ["--tokenizer", str(directory), "--stage", "pretrain", "--licence", "PSF-2.0"]
        manage(site, "import_corpus", MODEL, str(corpus), *options)
        manage(site, "import_model", str(directory), "--name", MODEL, "--corpus", MODEL)


def manage(site: DemoSite, *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=site.environ, check=True)
