"""/api/checkpoints/ and /api/jobs/: what was trained, and what is being trained."""
