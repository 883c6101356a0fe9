"""Models in and out: adapters merged, checkpoints imported and exported."""
