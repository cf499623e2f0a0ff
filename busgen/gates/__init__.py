"""Gates: scores of every sample, and the verdicts that they give."""
