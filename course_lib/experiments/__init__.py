"""The papers' tables as data: which network, how it was trained, and what was published about it."""

from course_lib.experiments.claims import CLAIMS, Claim
from course_lib.experiments.laptop import LAPTOP, with_laptop_recipe
from course_lib.experiments.markdown import table_markdown
from course_lib.experiments.rotated_mnist import ROTATED_MNIST
from course_lib.experiments.row import Printed, Quoted, Recipe, RecipeName, Row, Table
from course_lib.experiments.tables import TABLES, find, find_architecture, find_table, variant
from course_lib.experiments.weights import trained, trained_weights

__all__ = [
    "CLAIMS",
    "LAPTOP",
    "ROTATED_MNIST",
    "TABLES",
    "Claim",
    "Printed",
    "Quoted",
    "Recipe",
    "RecipeName",
    "Row",
    "Table",
    "find",
    "find_architecture",
    "find_table",
    "table_markdown",
    "trained",
    "trained_weights",
    "variant",
    "with_laptop_recipe",
]
