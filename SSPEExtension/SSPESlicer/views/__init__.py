"""Two volumes in slice views: the arrangement of the views, and what they show where the volumes meet."""
