"""Feature space `radiomic`: named numbers of ultrasound images, no weights."""
