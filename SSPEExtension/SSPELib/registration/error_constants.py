"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (1.786, 0.187, 0.000, 0.458, 0.215, 0.177),
    "junction": (1.466, 0.139, 0.000, 0.434, 0.249, 0.274),
    "far_end": (1.836, 0.211, 0.000, 0.429, 0.214, 0.159),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (0.95, 1.39), "touching": (1.19, 2.79), "gap": (0.99, 1.77)},
    "junction": {"overlap": (0.96, 1.35), "touching": (1.36, 2.71), "gap": (0.91, 2.50)},
    "far_end": {"overlap": (1.00, 1.50), "touching": (1.14, 2.94), "gap": (1.00, 1.71)},
}
