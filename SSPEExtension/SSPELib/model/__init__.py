"""Model bundles, the device they run on, and the networks."""
