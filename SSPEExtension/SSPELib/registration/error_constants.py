"""Made by `sspe benchmark calibrate`; see `confidence`."""

# Of the scale of the error, by place; the features are those of `confidence.features`.
WEIGHTS = {
    "body": (1.806, 0.139, 0.212, 0.464, 0.237, 0.219),
    "junction": (1.143, 0.236, 0.216, 0.382, 0.242, 0.285),
    "far_end": (1.909, 0.153, 0.181, 0.444, 0.237, 0.205),
}
# Of errors to that scale, by place and kind of overlap: half keep the first, 9 of 10 the second.
RATIOS = {
    "body": {"overlap": (0.97, 1.56), "touching": (1.19, 2.81), "gap": (0.90, 2.31)},
    "junction": {"overlap": (0.93, 1.32), "touching": (1.16, 3.33), "gap": (0.96, 3.33)},
    "far_end": {"overlap": (0.96, 1.67), "touching": (1.25, 3.00), "gap": (0.89, 2.09)},
}
