"""Corpora behind models that were made elsewhere: attached, so that their answers can be traced."""
