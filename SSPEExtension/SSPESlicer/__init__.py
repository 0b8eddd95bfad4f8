"""What the SSPE modules share inside 3D Slicer: MRML nodes as volumes, background jobs, comparison of two volumes."""
