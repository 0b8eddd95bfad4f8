"""The parts of the module SSPE Register, one reason to change each."""
