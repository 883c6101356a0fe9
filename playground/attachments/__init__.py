"""Files that people attach to a message: their text is context for the answer."""
