"""What the panels share: their controls, what they say before a run, and the parameters in the scene."""
