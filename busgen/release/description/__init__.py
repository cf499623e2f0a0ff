"""What a release says of itself: card, data dictionary, Croissant."""
