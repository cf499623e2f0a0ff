"""Reader study: whether people who read breast ultrasound tell synthetic pictures from real ones."""
