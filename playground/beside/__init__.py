"""Two or three models beside each other: one prompt, an answer each with its trace, and blind votes."""
