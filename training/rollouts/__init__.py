"""What a job of reinforcement learning tried: how much it learned from, and what became of the rest."""
