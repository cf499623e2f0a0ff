"""Similarity: near-duplicates and copies, one search and one registration.

`registration` decides whether two of some thousand images show the same scan, drawn upon and
stretched too: cleaning of real data, repeats of earlier releases. `search` finds images that look
alike as a whole among very many: repeats within a release. `known_images` is the gate's question,
how like one image is to any window of the known ones; it compares what `search` compares. `search`
also tells equal images by 64 bits while a release is made.
"""
