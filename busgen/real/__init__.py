"""Public datasets: one reader each, cleaning, patient-level splits."""
