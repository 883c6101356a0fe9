"""How much people, programs and visitors may use in a span of time, and the doors that check it."""
