"""Images: engines that draw a B-mode picture from a finding and its mask."""
