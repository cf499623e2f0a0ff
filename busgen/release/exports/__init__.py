"""A release in the forms that other tools open: one module a form, and what they share."""
