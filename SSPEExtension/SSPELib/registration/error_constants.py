"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (1.786, 0.187, 0.000, 0.458, 0.215, 0.177),
    "junction": (1.466, 0.139, 0.000, 0.434, 0.249, 0.274),
    "far_end": (1.836, 0.211, 0.000, 0.429, 0.214, 0.159),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (0.32, 0.84), "gap": (0.93, 1.58)},
    "junction": {"overlap": (0.23, 0.41), "gap": (0.83, 1.73)},
    "far_end": {"overlap": (0.36, 0.97), "gap": (0.94, 1.59)},
}
