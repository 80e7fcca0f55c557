"""The papers' networks, each one function of a group: C1 gives the ordinary CNN, C4 the p4 and D4 the p4m version."""

from course_lib.models.allcnn import allcnn
from course_lib.models.attentive import a_p4cnn, alpha_p4cnn, dren
from course_lib.models.bottleneck import bottleneck_resnet
from course_lib.models.e4_small import small_e4net
from course_lib.models.e4net import e4net
from course_lib.models.ordinary import as_ordinary_cnn
from course_lib.models.p4_sa import p4_sa
from course_lib.models.p4cnn import p4cnn, p4cnn_dropout, p4cnn_linear, p4cnn_rotation_pooling
from course_lib.models.resnet18 import resnet18
from course_lib.models.resnet44 import resnet44
from course_lib.models.sfcnn import sfcnn, small_sfcnn

__all__ = [
    "a_p4cnn",
    "allcnn",
    "alpha_p4cnn",
    "as_ordinary_cnn",
    "bottleneck_resnet",
    "dren",
    "e4net",
    "p4_sa",
    "p4cnn",
    "p4cnn_dropout",
    "p4cnn_linear",
    "p4cnn_rotation_pooling",
    "resnet18",
    "resnet44",
    "sfcnn",
    "small_e4net",
    "small_sfcnn",
]
