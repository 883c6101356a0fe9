"""/api/corpora/: the stores that traces search."""
