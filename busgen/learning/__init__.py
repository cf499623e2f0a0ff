"""Learning: what all trainings share beside the loop; shared ground."""
