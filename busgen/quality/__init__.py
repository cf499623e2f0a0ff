"""Quality: gates, judges, distribution scores, copy detection."""
