"""The box that a message is written in: its settings, within the bounds of the chosen model."""
