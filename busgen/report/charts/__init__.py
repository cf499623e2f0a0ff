"""Charts and images of the page."""
