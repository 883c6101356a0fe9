"""Two models beside each other: one prompt, two answers, each with its trace."""
