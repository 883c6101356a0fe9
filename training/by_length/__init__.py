"""What a model makes of text that is far back: its scores by the length of the text, before and after the
stage that taught it longer ones."""
