"""Feature space `radiomic`: named numbers of ultrasound pictures, no weights."""
