"""Settings of the composer that people keep under a name."""
