"""elastix and ANTs as their users run them, on bare arrays.

Each runs in a process of its own (see `isolated`): two copies of ITK and the threads of torch in one process can hang,
and a peer that crashes must not end a benchmark. Hence nothing but numpy is imported here at file scope.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

TIME_LIMIT_S = 300.0


class Grid(NamedTuple):
    """Voxels (z, y, x) float32 in HU, spacing and origin (x, y, z) in LPS mm, direction (3, 3)."""

    array: NDArray[np.float32]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: NDArray[np.float64]


def elastix(fixed: Grid, moving: Grid, centered: bool) -> NDArray[np.float64]:
    """Pose (4, 4), fixed to moving, by default rigid parameters on four levels; few valid samples are accepted."""
    itk = importlib.import_module("itk")
    parameters = itk.ParameterObject.New()
    chosen = parameters.GetDefaultParameterMap("rigid", 4)
    chosen["RequiredRatioOfValidSamples"] = ["0.02"]
    chosen["AutomaticTransformInitialization"] = ["true" if centered else "false"]
    parameters.AddParameterMap(chosen)
    images = []
    for grid in (fixed, moving):
        image = itk.image_from_array(np.ascontiguousarray(grid.array, dtype=np.float32))
        image.SetSpacing(grid.spacing)
        image.SetOrigin(grid.origin)
        image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(grid.direction)))
        images.append(image)
    _, found = itk.elastix_registration_method(*images, parameter_object=parameters, log_to_console=False)
    values = found.GetParameterMap(found.GetNumberOfParameterMaps() - 1)
    transform = itk.Euler3DTransform[itk.D].New()
    transform.SetComputeZYX("ComputeZYX" in values and values["ComputeZYX"][0] == "true")
    transform.SetCenter([float(value) for value in values["CenterOfRotationPoint"]])
    array = [float(value) for value in values["TransformParameters"]]
    parameters_of_it = itk.OptimizerParameters[itk.D](len(array))
    for index, value in enumerate(array):
        parameters_of_it[index] = value
    transform.SetParameters(parameters_of_it)
    return _pose(lambda point: np.array(transform.TransformPoint(point.tolist())))


def ants(fixed: Grid, moving: Grid, centered: bool) -> NDArray[np.float64]:
    """Pose (4, 4), fixed to moving, by antspyx, type of transform "Rigid"."""
    module = importlib.import_module("ants")
    images = [
        module.from_numpy(
            np.ascontiguousarray(grid.array.transpose(2, 1, 0), dtype=np.float32),
            origin=grid.origin,
            spacing=grid.spacing,
            direction=np.ascontiguousarray(grid.direction),
        )
        for grid in (fixed, moving)
    ]
    # Without a word on where to start ANTs aligns the centers of mass.
    begin = None if centered else "Identity"
    found = module.registration(*images, type_of_transform="Rigid", initial_transform=begin, random_seed=1)
    transform = importlib.import_module("SimpleITK").ReadTransform(found["fwdtransforms"][0])
    return _pose(lambda point: np.array(transform.TransformPoint(point.tolist())))


def _pose(mapped: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, 3] = mapped(np.zeros(3))
    for column in range(3):
        pose[:3, column] = (mapped(np.eye(3)[column] * 1000.0) - pose[:3, 3]) / 1000.0
    return pose


def isolated(solve: Callable[[Grid, Grid, bool], NDArray[np.float64]], *arguments: Any) -> NDArray[np.float64]:
    """Run a peer in a fresh process.

    Raises:
        RuntimeError: it crashed or took longer than TIME_LIMIT_S; or what the peer itself raised.
    """
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    try:
        return pool.submit(solve, *arguments).result(TIME_LIMIT_S)
    except (TimeoutError, BrokenProcessPool) as error:
        raise RuntimeError(f"{solve.__name__} crashed or took longer than {TIME_LIMIT_S:.0f} s.") from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
