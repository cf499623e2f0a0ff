"""Computing: devices, cores, threads, quiet libraries, pretrained networks; shared ground."""
