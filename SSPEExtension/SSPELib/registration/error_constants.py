"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (0.836, 0.533, 0.245, 0.402, 0.047),
    "junction": (0.031, 0.829, 0.191, 0.212, 0.048),
    "far_end": (1.060, 0.476, 0.281, 0.444, 0.036),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (1.08, 2.24), "touching": (1.08, 2.24), "gap": (1.08, 2.24)},
    "junction": {"overlap": (1.00, 1.96), "touching": (1.00, 1.96), "gap": (1.00, 1.96)},
    "far_end": {"overlap": (1.05, 2.18), "touching": (1.05, 2.18), "gap": (1.05, 2.18)},
}
