"""A whole table on a cluster of Ray: every run is one task, and its unit of work is that of the plain command."""

from course_lib.cluster.table import train_on_ray

__all__ = ["train_on_ray"]
