"""Live views: rendered offscreen by the real MRML pipelines, and painted as images in Qt widgets."""
