"""Rules that say who may talk to which models, and when. training/access.py applies them."""
