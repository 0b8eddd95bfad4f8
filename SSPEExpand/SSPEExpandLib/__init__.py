"""The parts of the module SSPE Expand, one reason to change each."""
