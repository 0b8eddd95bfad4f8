"""What becomes of a body that was cut in parts, registered and merged, against the body as it was."""
