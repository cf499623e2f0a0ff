"""Questions that the report answers from evidence, and the verdict."""
