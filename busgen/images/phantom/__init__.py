"""Image engine `phantom`: physics without weights."""
