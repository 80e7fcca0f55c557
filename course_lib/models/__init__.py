"""The papers' networks, each one function of a group: C1 gives the ordinary CNN, C4 the p4 and D4 the p4m version."""

from course_lib.models.e4net import e4net
from course_lib.models.p4cnn import p4cnn, p4cnn_linear

__all__ = ["e4net", "p4cnn", "p4cnn_linear"]
