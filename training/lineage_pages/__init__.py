"""The graph of stages and checkpoints, drawn on the server."""
