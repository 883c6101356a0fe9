"""Corpus search: what pages, programs, commands and workers call. docs/search.md explains it."""
