"""From predictions to tables: scores, gains, groups."""
