"""The page where people make, see and revoke the keys of their programs."""
