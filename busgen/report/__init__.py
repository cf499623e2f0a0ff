"""What a person sees: figures and the self-contained HTML report."""
