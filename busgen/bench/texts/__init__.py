"""Descriptions as radiologists phrase them: how well they are understood."""
