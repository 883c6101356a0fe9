"""Notices at the top of every page, for a time and for whom they concern."""
