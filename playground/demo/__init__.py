"""`manage.py demo`: prepare a data directory, keep everything running under one supervisor, and show it."""
