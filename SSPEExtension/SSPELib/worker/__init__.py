"""The process that does the work for 3D Slicer: a job file in, lines of JSON out.

    python -m SSPELib.worker FOLDER

FOLDER holds job.json, whose options are those of `SSPELib.options` by their names, and the voxels of its volumes as
.npy files (geometry is in the job, exact to the last bit). Each line on standard output is one event: progress
(fraction, message, seconds_left), warning, request (the other side is to refine a transform and to answer with a line
on standard input), result, error. The process ends itself when standard input closes, so nothing is left running where
Slicer goes away.
"""

from .files import describe_volume, read_job_volume, write_job_volume

__all__ = ["describe_volume", "read_job_volume", "write_job_volume"]
