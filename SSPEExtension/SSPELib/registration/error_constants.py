"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (0.5, 0.6, 0.2, 0.1, 0.1),
    "junction": (0.5, 0.6, 0.2, 0.1, 0.1),
    "far_end": (0.5, 0.6, 0.2, 0.1, 0.1),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (1.0, 3.0), "touching": (1.0, 3.0), "gap": (1.0, 3.0)},
    "junction": {"overlap": (1.0, 3.0), "touching": (1.0, 3.0), "gap": (1.0, 3.0)},
    "far_end": {"overlap": (1.0, 3.0), "touching": (1.0, 3.0), "gap": (1.0, 3.0)},
}
