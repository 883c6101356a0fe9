"""Models taken in, given out and merged from pages: asked for here, done by a worker."""
