"""The registry for people: all checkpoints, one of them, two beside each other."""
