"""The process that does the work for 3D Slicer: a job file in, lines of JSON out.

    python -m SSPELib.worker FOLDER
    python -m SSPELib.worker

The first does one job. The second does one after the other, keeps the model loaded between them, and ends itself when
ten minutes pass without one; a line {"job": FOLDER} on standard input starts each, once the one before has ended.

FOLDER holds job.json, whose options are those of `SSPELib.options` by their names, and the voxels of its volumes as
.npy files (geometry is in the job, exact to the last bit). Each line on standard output is one event: progress
(fraction, message, seconds_left), warning, request (the other side is to refine a transform and to answer with a line
on standard input), and last of a job result or error. The process ends itself when standard input closes, so nothing is
left running where Slicer goes away.
"""

from .files import JOB_FILE, job_volume, read_job_volume, write_job_volume

__all__ = ["JOB_FILE", "job_volume", "read_job_volume", "write_job_volume"]
