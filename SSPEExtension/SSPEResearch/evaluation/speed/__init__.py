"""How long SSPE takes and how much memory, as whole processes and split by stage."""
