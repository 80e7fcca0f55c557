"""What the papers claim of the networks on rotated MNIST, as data: who makes fewer errors than whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """``words``, in which the row ``better`` makes fewer test errors than the row ``worse``; and who says so.

    "A against B": the two errors come from two papers. Where ``source`` is empty no paper says it of these rows, and
    the course asks.
    """

    words: str
    better: str
    worse: str
    source: str = ""


_COHEN, _LENGYEL, _HE = "Cohen & Welling (2016)", "Lengyel & van Gemert (2021)", "He et al. (2021)"
_HE_AGAINST_LENGYEL = f"{_HE} against {_LENGYEL}"  # He et al. print another P4CNN, and nothing separable

CLAIMS = (
    Claim("Group convolution beats ordinary convolution.", "p4cnn", "z2cnn", _LENGYEL),
    Claim("In the networks of 2016, too, group convolution beats ordinary convolution.",
          "p4cnn-cohen", "z2cnn-cohen", _COHEN),
    Claim("Keeping the orientations to the end beats pooling over them in every layer.",
          "p4cnn-cohen", "p4cnn-rotation-pooling-cohen", _COHEN),
    Claim("At equal parameters g-separable beats full group convolution.", "g-p4cnn-17", "p4cnn", _LENGYEL),
    Claim("At equal parameters gc-separable beats full group convolution.", "gc-p4cnn-30", "p4cnn", _LENGYEL),
    Claim("At equal parameters gc-separable beats g-separable.", "gc-p4cnn-30", "g-p4cnn-17", _LENGYEL),
    Claim("At equal width full group convolution beats g-separable.", "p4cnn", "g-p4cnn", _LENGYEL),
    Claim("Separable filters help an ordinary network, too.", "c-z2cnn", "z2cnn", _LENGYEL),
    Claim("With fewer parameters, E4 beats group convolution.", "e4net", "p4cnn", _HE_AGAINST_LENGYEL),
    Claim("With fewer parameters, E4 beats separable group convolution.", "e4net", "gc-p4cnn-30", _HE_AGAINST_LENGYEL),
    Claim("A larger E4-Net is better still.", "e4net-large", "e4net", _HE),
    Claim("The kernel should see all orientations: concatenating K and V beats V alone.",
          "e4net", "e4net-concat-v", _HE),
    Claim("The encoder should see all orientations: concatenating K and V beats K alone.",
          "e4net", "e4net-concat-k", _HE),
    Claim("Where nothing sees the other orientations, E4 makes more errors.", "e4net", "e4net-concat-none", _HE),
    Claim("More symmetry helps: p4m instead of p4, at equal parameters.", "p4cnn-D4-7", "p4cnn"),
    Claim("More symmetry helps E4-Net, too.", "e4net-D4-12", "e4net"),
)  # fmt: skip
