"""The suites: each is a list of cases. A new file of cases is one more line here."""

from collections.abc import Callable

from course_lib.bench import attention_cases, conv_cases, kernel_cases, network_cases, notebook_cases, separable_cases
from course_lib.bench.case import Case

SUITES: dict[str, Callable[[], list[Case]]] = {
    "layers": lambda: [
        *conv_cases.cases(),
        *separable_cases.cases(),
        *kernel_cases.layer_cases(),
        *attention_cases.layer_cases(),
    ],
    "networks": lambda: [*network_cases.cases(), *kernel_cases.network_cases()],
    "notebooks": notebook_cases.cases,
}
