"""Every setting that an operator can change, declared once with its help.

`manage.py doctor` prints this table with the values in force; docs/settings.md is tested against it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


class SettingError(Exception):
    """An environment variable holds a value that Headwater cannot use."""


@dataclass(frozen=True)
class Setting:
    """One environment variable: its name, its default as written, and what it does."""

    name: str
    default: str
    help: str
    secret: bool = False

    def text(self, environ: Mapping[str, str] = os.environ) -> str:
        return environ.get(self.name, self.default)

    def flag(self, environ: Mapping[str, str] = os.environ) -> bool:
        value = self.text(environ).strip().lower()
        if value in TRUE_WORDS | FALSE_WORDS:
            return value in TRUE_WORDS
        raise SettingError(f"{self.name} is {value!r}; write 1 for yes or 0 for no")

    def integer(self, minimum: int, maximum: int, environ: Mapping[str, str] = os.environ) -> int:
        value = self.text(environ)
        if not value.isdecimal() or not minimum <= int(value) <= maximum:
            raise SettingError(
                f"{self.name} is {value!r}; it must be a whole number from {minimum} to {maximum}"
            )
        return int(value)

    def words(self, environ: Mapping[str, str] = os.environ) -> list[str]:
        return [word.strip() for word in self.text(environ).split(",") if word.strip()]


HOME = Setting(
    "HEADWATER_HOME",
    str(ROOT / "var"),
    "Directory of everything that Headwater keeps: database, stores, checkpoints, keys.",
)
SECRET_KEY = Setting(
    "SECRET_KEY",
    "",
    "Django's signing key. Required outside the demo, which makes one and keeps it.",
    secret=True,
)
DEBUG = Setting("DEBUG", "0", "Show tracebacks in the browser. Never on a machine that others reach.")
ALLOWED_HOSTS = Setting(
    "ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", "Host names that the site answers to, separated by commas."
)
DATABASE_URL = Setting(
    "DATABASE_URL",
    "",
    "postgresql://user:password@host:port/name; empty for SQLite in HEADWATER_HOME.",
    secret=True,
)
REDIS_URL = Setting(
    "REDIS_URL",
    "",
    "Redis or Valkey for the broker, the cache and the streams; empty for the embedded one.",
    secret=True,
)
ELASTICSEARCH_URL = Setting(
    "ELASTICSEARCH_URL",
    "",
    "Elasticsearch 8 or 9 for corpus search: https://name:password@host:port; empty for the index in "
    "HEADWATER_HOME.",
    secret=True,
)
ELASTICSEARCH_API_KEY = Setting(
    "ELASTICSEARCH_API_KEY", "", "API key for Elasticsearch, instead of a name and password.", secret=True
)
ELASTICSEARCH_CA_FILE = Setting(
    "ELASTICSEARCH_CA_FILE", "", "Certificate of the authority that signed Elasticsearch's own."
)
ELASTICSEARCH_INDEX = Setting(
    "ELASTICSEARCH_INDEX",
    "headwater",
    "What the names of the indexes in Elasticsearch begin with; lower case, another one for each Headwater.",
)
NODE_WAIT_S = Setting(
    "HEADWATER_NODE_WAIT_S",
    "5",
    "Seconds that a trace waits for index nodes before it says that they did not answer.",
)
ANONYMOUS_CHAT = Setting(
    "HEADWATER_ANONYMOUS", "0", "Let people chat without signing in. The demo turns it on."
)
SESSION_DAYS = Setting(
    "HEADWATER_SESSION_DAYS",
    "30",
    "Days after a browser's last visit until it is signed out, or, where nobody had signed in, until its "
    "chats and traces are deleted.",
)
SLOW_CLIENT_S = Setting(
    "HEADWATER_SLOW_CLIENT_S",
    "30",
    "Seconds that a client may take to send a request's headers, and that it may send, or take of an answer, "
    "next to nothing (less than 256 bytes a second) before its connection is closed.",
)
TEMPORARY_CHAT_HOURS = Setting(
    "HEADWATER_TEMPORARY_CHAT_HOURS",
    "24",
    "Hours after its last message until a temporary chat is deleted for good.",
)
DELETED_CHAT_DAYS = Setting(
    "HEADWATER_DELETED_CHAT_DAYS",
    "30",
    "Days until a chat that somebody deleted is gone for good; until then they can have it back.",
)
SIGN_UP = Setting(
    "HEADWATER_SIGN_UP",
    "0",
    "Let people make accounts for themselves, with a name and a password. Otherwise administrators make "
    "them.",
)
OIDC_URL = Setting(
    "HEADWATER_OIDC_URL",
    "",
    "Address of an OpenID Connect provider by which people may sign in (its issuer); empty for none.",
)
OIDC_CLIENT_ID = Setting("HEADWATER_OIDC_CLIENT_ID", "", "The id by which the provider knows Headwater.")
OIDC_SECRET = Setting(
    "HEADWATER_OIDC_SECRET", "", "The secret that the provider gave Headwater.", secret=True
)
OIDC_NAME = Setting(
    "HEADWATER_OIDC_NAME", "Single sign-on", "What the provider is called on the page of signing in."
)
OIDC_GROUPS = Setting(
    "HEADWATER_OIDC_GROUPS",
    "",
    "Claim of the provider that lists a person's groups, such as groups: at each sign-in they get those of "
    "Headwater's groups that it names, and no others. Empty: administrators choose people's groups.",
)
ENGINE_SLOTS = Setting("HEADWATER_ENGINE_SLOTS", "2", "How many engine processes this node may run at once.")
UNLOAD_AFTER_S = Setting(
    "HEADWATER_UNLOAD_AFTER_S",
    "0",
    "Seconds after which an engine that nobody uses ends and frees its memory, unless what it holds is "
    "pinned; 0 for never.",
)
ENGINE_PYTHON = Setting(
    "HEADWATER_ENGINE_PYTHON",
    str(ROOT / ".venv-engine/bin/python"),
    "Python of the environment that holds vLLM.",
)
RECIPE = Setting(
    "HEADWATER_RECIPE",
    "demo",
    "Recipe of the flow that `manage.py demo` trains: a name in training/recipes/ or a path.",
)
THREADS = Setting(
    "HEADWATER_THREADS", "0", "CPU threads of a training process; 0 for all the cores of the machine."
)
GPUS = Setting(
    "HEADWATER_GPUS",
    "",
    "GPUs that a worker gives to its jobs, separated by commas, as CUDA_VISIBLE_DEVICES names them; empty "
    "for all of the node's, none for none. A job gets all of them, one process each.",
)
PEAK_TFLOPS = Setting(
    "HEADWATER_PEAK_TFLOPS",
    "0",
    "Dense bf16 TFLOP/s of one of this node's GPUs, for model FLOPs utilisation; 0 to go by the GPU's name.",
)
JUDGE_URL = Setting(
    "HEADWATER_JUDGE_URL",
    "",
    "Base URL of an OpenAI-compatible API whose model grades answers (the judge verifier), such as "
    "http://127.0.0.1:9000/v1; empty for none.",
)
JUDGE_MODEL = Setting("HEADWATER_JUDGE_MODEL", "", "Name of the judge's model at HEADWATER_JUDGE_URL.")
JUDGE_KEY = Setting("HEADWATER_JUDGE_KEY", "", "Key that HEADWATER_JUDGE_URL asks for, if any.", secret=True)

VISITOR_REQUESTS = Setting(
    "HEADWATER_VISITOR_REQUESTS",
    "300",
    "Answers and traces that an address without an account may ask for in any minute, where no limit in the "
    "admin says otherwise; 0 for no such limit.",
)
VISITOR_TOKENS = Setting(
    "HEADWATER_VISITOR_TOKENS",
    "5000000",
    "Tokens of prompts and answers that an address without an account may use in any day, where no limit in "
    "the admin says otherwise; 0 for no such limit.",
)
CURRENCY = Setting("HEADWATER_CURRENCY", "EUR", "What the prices of models are in, as pages write it.")
PERSONAL_DATA = Setting(
    "HEADWATER_PERSONAL_DATA",
    "CREDIT_CARD,IBAN_CODE,US_SSN,UK_NINO,UK_NHS",
    "Kinds of personal data for which a scan withholds a document, separated by commas.",
)
SCAN_PROCESSES = Setting(
    "HEADWATER_SCAN_PROCESSES",
    "0",
    "Processes that look for personal data at once; 0 for half of the machine's cores.",
)

ALL = [value for value in globals().values() if isinstance(value, Setting)]
