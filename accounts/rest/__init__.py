"""What the resources of /api/ share: who may ask, pages of lists, errors, and how the schema tells of it."""
