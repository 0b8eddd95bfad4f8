"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (0.784, 0.551, 0.245, 0.393, 0.043),
    "junction": (-0.026, 0.851, 0.193, 0.204, 0.042),
    "far_end": (1.017, 0.489, 0.280, 0.438, 0.033),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (1.08, 2.25), "touching": (1.08, 2.25), "gap": (1.08, 2.25)},
    "junction": {"overlap": (1.01, 1.96), "touching": (1.01, 1.96), "gap": (1.01, 1.96)},
    "far_end": {"overlap": (1.05, 2.16), "touching": (1.05, 2.16), "gap": (1.05, 2.16)},
}
