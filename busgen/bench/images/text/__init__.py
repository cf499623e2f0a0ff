"""Control by words: what is measured in images by the term that was asked for."""
