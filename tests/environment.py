"""Environment of the test run; loaded with `-p tests.environment` before Django reads its settings."""

import os
import tempfile

# Short, because the embedded Redis listens on a Unix socket below it.
os.environ["HEADWATER_HOME"] = tempfile.mkdtemp(prefix="headwater-test-")
os.environ["SECRET_KEY"] = "only-for-the-tests-" + os.urandom(16).hex()
os.environ["HEADWATER_ANONYMOUS"] = "1"
os.environ["HEADWATER_THREADS"] = "2"
# Most tests have no Redis, without which nobody gets past a limit.
os.environ["HEADWATER_VISITOR_REQUESTS"] = os.environ["HEADWATER_VISITOR_TOKENS"] = "0"
os.environ.pop("REDIS_URL", None)
os.environ["DATABASE_URL"] = os.environ.get("HEADWATER_TEST_DATABASE_URL", "")
os.environ.pop("ELASTICSEARCH_URL", None)
