"""What image engines learn from: crops of patients with captions."""
