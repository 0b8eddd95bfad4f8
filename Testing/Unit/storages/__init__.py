"""One small body in every storage that clinics deliver, and with every defect that they come with.

Each kind says what should become of it: the same voxels in the same places, the same body after resampling, or a
refusal; and which words the remark or the refusal must hold.
"""
