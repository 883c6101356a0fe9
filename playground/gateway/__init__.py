"""The way from a request to an engine: which one, held how long, asked again when; and what it measures."""
