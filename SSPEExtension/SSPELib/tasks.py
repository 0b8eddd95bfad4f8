"""What SSPE does, from checked volumes to results: all front ends call these functions and nothing beneath."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from .errors import InputError
from .options import DISTANCE, FEWEST_PARTS, MOST_PARTS, ExpandOptions, MergeOptions, RegisterOptions, Start
from .poses import to_transform
from .progress import Progress, part, silent
from .stages import stage
from .volume import End, Volume, check_ct, real_part, synthetic_mm
from .volume.no_data import with_no_data
from .volume.overlap import ends_that_meet

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .alignment import Alignment
    from .expansion.expander import Expander
    from .merging import Merged
    from .options import Direction
    from .registration import Backend, Registration
    from .stitching import Link, Network
    from .stitching.joining import Joined

# Of the time that a registration takes.
EXPANSION_SHARE = 0.4

Expansions = dict[tuple[Volume, "Direction"], tuple[Volume, tuple[str, ...]]]
"""Expanded volumes and doubts about them, by the volume and the ends that grew."""


@dataclass(frozen=True, eq=False)
class Expanded:
    """An expanded volume.

    Attributes:
        volume: the input, longer; its provenance says which voxels are synthetic.
        model: name of the model.
        warnings: what a clinician should know.
    """

    volume: Volume
    model: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Stitched:
    """Several parts of one body as one volume.

    Attributes:
        joined: the volume and the map of sources.
        network: which parts belong, where they lie, and the links between them.
        links: all pairs that were registered.
        warnings: what a clinician should know.
    """

    joined: Joined
    network: Network
    links: tuple[Link, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Registered:
    """A registration and the volumes that it compared.

    Attributes:
        fixed, moving: as they were compared, expanded where that was asked for.
        registration: the transform, and how far to trust it.
        model: name of the model, None where nothing was expanded.
        warnings: what a clinician should know of the inputs.
    """

    fixed: Volume
    moving: Volume
    registration: Registration
    model: str | None
    warnings: tuple[str, ...]


def expand(volume: Volume, options: ExpandOptions = ExpandOptions(), progress: Progress = silent) -> Expanded:
    """Continue a CT beyond one end or both (eq. 3 of the paper).

    Args:
        volume: the CT; it is not changed.
        options: which end, how far, by which model, where.
        progress: told of every part of a step; may raise `Cancelled`.

    Raises:
        InputError: an option is out of range, or the volume is no CT of a body.
        DeviceError, ModelError: the device or the model is not there.
    """
    options.check()
    with stage("preparation"):
        volume = with_no_data(volume)
        warnings = check_ct(volume)
    progress(0.0, "Loading the model")
    expander = _expander(options.model, options.device)
    expanded, doubts = expander.expand(volume, options.direction, options.distance_mm, progress)
    return Expanded(expanded, expander.bundle.card.name, tuple(dict.fromkeys((*warnings, *doubts))))


def register(
    fixed: Volume,
    moving: Volume,
    options: RegisterOptions = RegisterOptions(),
    progress: Progress = silent,
    *,
    start_transform: sitk.Transform | None = None,
    backend: Backend | None = None,
    expansions: Expansions | None = None,
) -> Registered:
    """Find the transform from fixed points to moving points of two CTs of one body that overlap little or not at all.

    Args:
        fixed, moving: the CTs, each expanded already or not; they are not changed.
        options: the start, the type of the transform, whether and how to expand, and so on.
        progress: told of every stage; may raise `Cancelled`.
        start_transform: a linear transform (fixed to moving, LPS mm) to start from, instead of options.start.
        backend: does the last refinement on real voxels, instead of the one that options.backend names.
        expansions: made before of the same volumes with the same options; they are not made again, and new ones are
            added.

    Raises:
        InputError: an option is not allowed, or a volume is no CT of a body.
        DeviceError, ModelError: the device or the model is not there.
        RegistrationError: no transform could be found at all.
    """
    from .registration.backends import backend_of

    options.check()
    started = time.monotonic()
    chosen = backend or backend_of(options.backend)
    progress(0.0, "Checking the volumes")
    with stage("preparation"), ThreadPoolExecutor(2) as pool:
        checked = list(pool.map(_checked, (fixed, moving)))
    # This waits for PyTorch, which may still be loading.
    from .registration.register import register as align

    fixed, moving = (volume for volume, _ in checked)
    warnings = [warning for _, found in checked for warning in found]
    start = options.start if start_transform is None else start_transform
    model, share = None, 0.02
    if options.expand:
        share = EXPANSION_SHARE
        made = {} if expansions is None else expansions
        growing = part(progress, 0.02, share)
        fixed, moving, model, doubts = _expanded_toward(fixed, moving, options, start, made, growing)
        warnings += doubts
    registration = align(
        fixed,
        moving,
        start=start,
        transform_type=options.transform_type,
        tolerance_mm=options.tolerance_mm,
        backend=chosen,
        device=options.device,
        progress=part(progress, share, 1.0),
    )
    registration = replace(registration, seconds=time.monotonic() - started)
    return Registered(fixed, moving, registration, model, tuple(dict.fromkeys(warnings)))


def merge(
    fixed: Volume,
    moving: Volume,
    alignment: Alignment,
    options: MergeOptions = MergeOptions(),
    progress: Progress = silent,
) -> Merged:
    """Make one volume of two that were registered, in the frame of the fixed one.

    Synthetic slices that the volumes have already are left out; a gap stays a gap unless options.fill_gap.

    Args:
        fixed, moving: the CTs; they are not changed.
        alignment: the transform and its verdict, from `read_alignment` or made of a registration.
        options: the seam, the spacing, whether to fill a gap, whether to accept an unreliable registration.
        progress: told of every step; may raise `Cancelled`.

    Raises:
        InputError: an option is not allowed, a volume is not the one that the transform was found for, or the transform
            is not reliable or does not fit and that is not accepted.
        DeviceError, ModelError: a gap is to be filled and the device or the model is not there.
    """
    from .alignment import grid_of
    from .merging import merge_volumes
    from .merging.gap import gap_mm
    from .merging.merge import FITS_FROM

    options.check()
    fixed, moving = _scanned(fixed), _scanned(moving)
    warnings = [*fixed.remarks, *moving.remarks]
    verdict, doubts = alignment.verdict, []
    if verdict.reliable is False:
        doubts.append(f"The registration behind {alignment.name} is not reliable ({'; '.join(alignment.reasons)})")
    elif verdict.reliable is None:
        warnings.append(
            f"No verdict is known for {alignment.name}; check the result. (sspe register writes one into its report.)"
        )
    strange = []
    for role, volume in (("fixed", fixed), ("moving", moving)):
        alignment.check_frame(role, volume.frame_of_reference, volume.name)  # type: ignore[arg-type]
        strange += alignment.check_grid(role, grid_of(volume), volume.name)  # type: ignore[arg-type]
    if len(strange) == 2:
        doubts.append(
            f"{alignment.name} was found for other scans ({' and '.join(alignment.files.values()) or 'unknown'}), on "
            "other grids than these two"
        )
    _ask(doubts, options)
    warnings += strange
    gap, share = gap_mm(fixed, moving, alignment.transform), 0.0
    if gap and options.fill_gap:
        share = EXPANSION_SHARE
        fixed, moving, remarks = _grown_over(
            fixed, moving, gap, alignment.transform, options, part(progress, 0.0, share)
        )
        warnings += remarks
    elif gap:
        warnings.append(
            f"There is a gap of up to {gap:.0f} mm between the volumes, which stays empty (to fill it: --fill-gap, in "
            "Slicer Fill a gap)."
        )
    merged = merge_volumes(
        fixed, moving, alignment.transform, options.seam_mm, options.spacing, part(progress, share, 1.0)
    )
    if merged.fit is not None and merged.fit < FITS_FROM:
        doubts.append(merged.warnings[0].removesuffix("."))
        _ask(doubts, options)
    warnings += [f"{doubt}; it was merged because that was asked for." for doubt in doubts]
    if doubts:
        verdict = verdict.accepted()
    return replace(merged, verdict=verdict, warnings=tuple(dict.fromkeys(warnings)))


def _ask(doubts: list[str], options: MergeOptions) -> None:
    """Raise InputError where there are doubts about a transform that nobody has accepted."""
    if doubts and not options.accept_unreliable:
        raise InputError(
            f"{'. '.join(doubts)}; look at the overlay, and merge with --accept-unreliable (in Slicer: answer yes) if "
            "it is right nevertheless."
        )


def stitch(
    parts: Sequence[Volume],
    register_options: RegisterOptions = RegisterOptions(),
    merge_options: MergeOptions = MergeOptions(),
    progress: Progress = silent,
    *,
    keep_going: bool = False,
) -> Stitched:
    """Make one volume of two to ten parts of one body, given in any order.

    Pairs are registered, the reliable ones place the parts, and where these make a loop all are adjusted together. A
    part for which a start from the headers finds no place is looked for anywhere along the others.

    Args:
        parts: the CTs; the first that belongs gives the frame and the grid.
        register_options: how pairs are registered.
        merge_options: the seam, the spacing, whether unreliable links are accepted.
        progress: told of every pair; may raise `Cancelled`.
        keep_going: leave out parts that fit nowhere, instead of raising.

    Raises:
        InputError: fewer than two or more than ten parts, a part that fits nowhere, or an option that is not allowed.
        DeviceError, ModelError: the device or the model is not there.
    """
    from .stitching import Network
    from .stitching.joining import join
    from .stitching.linking import find_links

    register_options.check()
    merge_options.check()
    if not FEWEST_PARTS <= len(parts) <= MOST_PARTS:
        raise InputError(f"{len(parts)} parts were given; give {FEWEST_PARTS} to {MOST_PARTS} parts of one body.")
    parts = [_scanned(volume) for volume in parts]
    warnings = [remark for volume in parts for remark in volume.remarks]
    expansions: Expansions = {}

    def pair(one: Volume, other: Volume, start: Start, share: Progress) -> tuple[Registration, tuple[str, ...]]:
        done = register(one, other, replace(register_options, start=start), share, expansions=expansions)
        return done.registration, done.warnings

    links, doubts = find_links(parts, register_options.start, pair, part(progress, 0.0, 0.9))
    warnings += doubts
    expansions.clear()
    network = Network.of(parts, links, merge_options.accept_unreliable, register_options.tolerance_mm)
    strangers = ", ".join(parts[index].name for index in network.left_out)
    if len(network.poses) < 2:
        raise InputError(
            f"No two of the {len(parts)} parts could be joined reliably; check them in pairs by sspe register, or go "
            "on with --accept-unreliable."
        )
    if strangers and not keep_going:
        raise InputError(
            f"{strangers}: fits to no other part reliably; leave it out by --keep-going, or accept doubtful pairs by "
            "--accept-unreliable."
        )
    if strangers:
        warnings.append(f"{strangers}: fits to no other part reliably and was left out.")
    doubtful = [link for link in network.used if not link.reliable]
    warnings += [
        f"{parts[link.first].name} and {parts[link.second].name} were joined by a registration that is not reliable."
        for link in doubtful
    ]
    if not doubtful and network.verdict.reliable is False:
        warnings.append(
            "All pairs are reliable, but along the body their errors add up to more than the tolerated "
            f"{network.tolerance_mm:g} mm. {network.verdict.sentence}"
        )
    filled, remarks = _gaps_filled(parts, network, merge_options, part(progress, 0.9, 0.95))
    warnings += remarks
    joined = join(filled, network.poses, merge_options, part(progress, 0.95, 1.0))
    joined = replace(joined, verdict=network.verdict)
    return Stitched(joined, network, tuple(links), tuple(dict.fromkeys((*warnings, *joined.warnings))))


def _scanned(volume: Volume) -> Volume:
    """What a scanner measured of a volume, its padding marked."""
    return real_part(with_no_data(volume))


def _gaps_filled(
    parts: Sequence[Volume], network: Network, options: MergeOptions, progress: Progress
) -> tuple[list[Volume], list[str]]:
    """The parts, expanded toward each other where there are gaps and these are to be filled; warnings."""
    from .merging.gap import gap_mm

    filled, warnings = list(parts), []
    order = network.downward(parts)
    for number, (upper, lower) in enumerate(pairwise(order)):
        between = to_transform(network.between(upper, lower))
        gap = gap_mm(parts[upper], parts[lower], between)
        if not gap:
            continue
        if options.fill_gap:
            share = part(progress, number / len(order), (number + 1) / len(order))
            filled[upper], filled[lower], doubts = _grown_over(
                filled[upper], filled[lower], gap, between, options, share
            )
            warnings += doubts
        else:
            warnings.append(
                f"There is a gap of up to {gap:.0f} mm between {parts[upper].name} and {parts[lower].name}, which "
                "stays empty (to fill it: --fill-gap, in Slicer Fill a gap)."
            )
    return filled, warnings


def _grown_over(
    fixed: Volume, moving: Volume, gap: float, transform: sitk.Transform, options: MergeOptions, progress: Progress
) -> tuple[Volume, Volume, list[str]]:
    """Both volumes expanded toward each other over the whole gap, and warnings."""
    expander = _expander(options.model, options.device)
    [fixed_end], [moving_end] = ends_that_meet(fixed, moving, transform)
    slack = max(*fixed.spacing, *moving.spacing)
    distance = min(max(gap + slack, DISTANCE.low or 0.0), DISTANCE.high or gap)
    first, doubts = expander.expand(fixed, fixed_end, distance, part(progress, 0.0, 0.5))
    second, more = expander.expand(moving, moving_end, distance, part(progress, 0.5, 1.0))
    return first, second, [*doubts, *more]


def _checked(volume: Volume) -> tuple[Volume, list[str]]:
    """The volume with its padding marked, and warnings."""
    volume = with_no_data(volume)
    return volume, check_ct(real_part(volume))


def _expanded_toward(
    fixed: Volume,
    moving: Volume,
    options: RegisterOptions,
    start: str | sitk.Transform,
    made: Expansions,
    progress: Progress,
) -> tuple[Volume, Volume, str | None, list[str]]:
    """Both volumes grown toward each other, where they are not expanded already; the model and warnings."""
    from .side_by_side import side_by_side

    wanted = ends_that_meet(fixed, moving, start)
    lacking = [
        [end for end in ends if not synthetic_mm(volume)[end]]
        for volume, ends in zip((fixed, moving), wanted, strict=True)
    ]
    if not any(lacking):
        return fixed, moving, None, []
    progress(0.0, "Loading the model")
    expander = _expander(options.model, options.device)

    def expanded(side: tuple[Volume, list[End]], tick: Progress) -> tuple[Volume, tuple[str, ...]]:
        volume, ends = side
        if not ends:
            return volume, ()
        wish = (volume, _direction(ends))
        if wish not in made:
            made[wish] = expander.expand(*wish, options.distance_mm, tick)
        return made[wish]

    sides = zip((fixed, moving), lacking, strict=True)
    with stage("expansion"):
        (fixed, doubts), (moving, more) = side_by_side(expanded, sides, progress, "Expanding both", expander.device)
    return fixed, moving, expander.bundle.card.name, [*doubts, *more]


def _direction(ends: list[End]) -> Direction:
    return "both" if len(ends) == 2 else ends[0]


def forget_models() -> None:
    """Free the memory of the models that were loaded; the next call loads its own anew."""
    _expander.cache_clear()


@functools.lru_cache(maxsize=1)
@stage("model")
def _expander(model: str | None, device: str) -> Expander:
    """The model on its device, kept for the next call: many pairs load it once."""
    from .expansion.expander import Expander
    from .model.bundle import load_bundle

    return Expander(load_bundle(model), device)
