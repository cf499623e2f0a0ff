"""Judges: an independent lesion segmenter and a benign/malignant classifier, real patients only."""
