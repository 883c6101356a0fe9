"""Stores on other machines: index nodes serve them through Celery and Redis."""
