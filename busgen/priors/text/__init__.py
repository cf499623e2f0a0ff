"""A finding in words: written from it, and read into conditions on it."""
