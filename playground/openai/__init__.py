"""`/v1`: what OpenAI's clients call, with the errors that they expect."""
