"""Images: engines that draw a B-mode image from a finding and its mask."""
