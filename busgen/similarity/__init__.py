"""Similarity: near-duplicates and copies, one search and one registration."""
