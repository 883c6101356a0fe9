"""Ratings of answers, consent, and the data sets that rated chats become rows of."""
