"""The home module: the state of PyTorch and of the bundled model, and the sample volumes."""
