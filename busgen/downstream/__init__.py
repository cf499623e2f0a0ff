"""Downstream: do models that learn from the made pictures do better on real patients?"""
