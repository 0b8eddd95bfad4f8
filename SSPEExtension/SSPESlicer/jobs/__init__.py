"""Work in a process of its own: its files, the process, and what it means for the nodes of the scene."""
