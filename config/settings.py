"""Django settings. The environment is read here and nowhere else; config/environment.py declares it."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import environment

BASE_DIR = environment.ROOT
HOME = Path(environment.HOME.text()).expanduser().resolve()
DEBUG = environment.DEBUG.flag()


def secret_key() -> str:
    """The environment's key, or the one that `manage.py demo` wrote into HEADWATER_HOME.

    Empty where there is neither: commands that sign nothing work without one, and Django refuses to sign.
    """
    key_file = HOME / "secret.key"
    return environment.SECRET_KEY.text() or (key_file.read_text().strip() if key_file.is_file() else "")


def embedded_redis_socket() -> Path:
    """Where the embedded Redis listens: in HOME, or in a private temporary folder where HOME is too long.

    A Unix socket's path may have 107 bytes at most.
    """
    socket = HOME / "run" / "redis.sock"
    if len(os.fsencode(socket)) <= 100:
        return socket
    digest = hashlib.sha256(os.fsencode(HOME)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"headwater-{os.getuid()}-{digest}" / "redis.sock"


def database() -> dict[str, object]:
    url = urlsplit(environment.DATABASE_URL.text())
    if not url.scheme:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": HOME / "db.sqlite3",
            "TEST": {"NAME": HOME / "test.sqlite3"},
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    if url.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL begins with {url.scheme!r}; only postgresql:// is known")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": url.hostname or "",
        "PORT": url.port or "",
    }


def oidc_apps() -> list[dict[str, object]]:
    """The one OpenID Connect provider that the environment names, or none."""
    server_url, client_id = environment.OIDC_URL.text().rstrip("/"), environment.OIDC_CLIENT_ID.text()
    if not server_url:
        return []
    if urlsplit(server_url).scheme not in {"http", "https"} or not client_id:
        raise ImproperlyConfigured(
            f"HEADWATER_OIDC_URL is {server_url!r}: it must begin with https:// and HEADWATER_OIDC_CLIENT_ID "
            "must say by which id the provider knows Headwater"
        )
    app = {"provider_id": "oidc", "name": environment.OIDC_NAME.text(), "client_id": client_id}
    return [{**app, "secret": environment.OIDC_SECRET.text(), "settings": {"server_url": server_url}}]


SECRET_KEY = secret_key()
ALLOWED_HOSTS = environment.ALLOWED_HOSTS.words()
DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

EMBEDDED_REDIS_SOCKET = embedded_redis_socket()
REDIS_URL = environment.REDIS_URL.text() or f"unix://{EMBEDDED_REDIS_SOCKET}"
ELASTICSEARCH_URL = environment.ELASTICSEARCH_URL.text()
ELASTICSEARCH_API_KEY = environment.ELASTICSEARCH_API_KEY.text()
ELASTICSEARCH_CA_FILE = environment.ELASTICSEARCH_CA_FILE.text()
ELASTICSEARCH_INDEX = environment.ELASTICSEARCH_INDEX.text()
NODE_WAIT_S = environment.NODE_WAIT_S.integer(1, 300)
ANONYMOUS_CHAT = environment.ANONYMOUS_CHAT.flag()
SIGN_UP = environment.SIGN_UP.flag()
OIDC_URL = environment.OIDC_URL.text().rstrip("/")
OIDC_NAME = environment.OIDC_NAME.text()
OIDC_GROUPS = environment.OIDC_GROUPS.text()
SLOW_CLIENT_S = environment.SLOW_CLIENT_S.integer(1, 3600)
TEMPORARY_CHAT_HOURS = environment.TEMPORARY_CHAT_HOURS.integer(1, 8760)
DELETED_CHAT_DAYS = environment.DELETED_CHAT_DAYS.integer(0, 3650)
ENGINE_SLOTS = environment.ENGINE_SLOTS.integer(1, 64)
UNLOAD_AFTER_S = environment.UNLOAD_AFTER_S.integer(0, 30 * 24 * 3600)
ENGINE_PYTHON = Path(environment.ENGINE_PYTHON.text())
RECIPE = environment.RECIPE.text()
VISITOR_REQUESTS = environment.VISITOR_REQUESTS.integer(0, 10**12)
VISITOR_TOKENS = environment.VISITOR_TOKENS.integer(0, 10**12)
CURRENCY = environment.CURRENCY.text()
PERSONAL_DATA = environment.PERSONAL_DATA.words()
SCAN_PROCESSES = environment.SCAN_PROCESSES.integer(0, 1024) or max(1, (os.cpu_count() or 1) // 2)
TRAINING_THREADS = environment.THREADS.integer(0, 1024)
GPUS = environment.GPUS.words()
PEAK_TFLOPS = environment.PEAK_TFLOPS.integer(0, 1_000_000)
JUDGE_URL = environment.JUDGE_URL.text()
JUDGE_MODEL = environment.JUDGE_MODEL.text()
JUDGE_KEY = environment.JUDGE_KEY.text()

INSTALLED_APPS = [
    "accounts.administration.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "rest_framework_api_key",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "tracing",
    "training",
    "playground",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.visitors.middleware.keep_sessions",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.visitors.doors.ask_first",
    "accounts.limits.middleware.LimitMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "accounts.banners.context.banners",
            ],
        },
    },
]

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
SESSION_COOKIE_AGE = environment.SESSION_DAYS.integer(1, 3650) * 24 * 3600

# django-allauth signs people in. Headwater sends no mail: whoever forgets a password asks an administrator.
ACCOUNT_ADAPTER = "accounts.entrance.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = False
ACCOUNT_PREVENT_ENUMERATION = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_AUTHENTICATED_LOGIN_REDIRECTS = False
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/m/ip,5/5m/key", "signup": "20/h/ip"}
SOCIALACCOUNT_ADAPTER = "accounts.entrance.adapters.ProviderAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": oidc_apps(), "OAUTH_PKCE_ENABLED": True}}
# What asks neither for an account nor for the terms: it asks for a key itself, or has to work without.
OPEN_ADDRESSES = ("/admin/", "/api/", "/banners/", "/health", "/metrics", "/ready", "/shared/", "/sign-")
OPEN_ADDRESSES += ("/static/", "/terms/", "/v1/")
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SERVESTATIC_USE_FINDERS = True

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
REQUEST_BYTES_MAX = 512 * 1024 * 1024  # of a body that says its length; of any other, the line above

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.KeyOrSession"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.rest.admission.Admission"],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_SCHEMA_CLASS": "accounts.rest.schema.Schema",
    "EXCEPTION_HANDLER": "accounts.rest.problems.problem",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Headwater",
    "DESCRIPTION": "What people made here, what was trained, and what it was trained on. Chat, files and "
    "fine-tunes are at /v1, as OpenAI's API has them.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/",
    "PREPROCESSING_HOOKS": ["accounts.rest.schema.only_api"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "JobState": "training.models.JobState",
        "MessageState": "playground.models.MessageState",
        "TraceKind": "tracing.models.KeptKind",
        "UsageKind": "accounts.usage.models.UsageKind",
    },
}

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "training.tasks.run_job": {"queue": "gpu"},
    "training.tasks.evaluate": {"queue": "gpu"},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A training job holds its message for hours: Redis must not hand it to a second worker meanwhile.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 30 * 24 * 3600}
CELERY_BEAT_SCHEDULE = {
    "purge-chats": {"task": "playground.history.tasks.purge_chats", "schedule": 3600.0},
    "forget-unsent-files": {"task": "playground.tasks.forget_unsent_files", "schedule": 3600.0},
    "forget-visitors": {"task": "accounts.tasks.forget_visitors", "schedule": 3600.0},
    "settle-answers": {"task": "playground.tasks.settle_answers", "schedule": 15.0},
    "recover-jobs": {"task": "training.tasks.recover_jobs", "schedule": 15.0},
    "recover-datasets": {"task": "training.tasks.recover_datasets", "schedule": 30.0},
    "recover-transfers": {"task": "training.tasks.recover_transfers", "schedule": 30.0},
    "recover-sweeps": {"task": "tracing.tasks.recover_sweeps", "schedule": 30.0},
    "load-search": {"task": "tracing.search.tasks.load_search", "schedule": 60.0},
    "build-byte-indexes": {"task": "tracing.tasks.build_byte_indexes", "schedule": 60.0},
    "pack-lineages": {"task": "training.tasks.pack_lineages", "schedule": 600.0},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "run" / "celerybeat-schedule")

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "elastic_transport": {"level": "ERROR"},
    },
}
