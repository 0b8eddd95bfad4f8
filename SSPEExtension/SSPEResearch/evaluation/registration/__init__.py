"""Registration measured on pairs whose transform is known."""
