"""Releases: Parquet, index, contract, card, Croissant; verify, show, diff, export."""
