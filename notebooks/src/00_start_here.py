# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 Start here

# %%
from torch import Tensor

from course_lib.exercises import exercise, progress


# %%
@exercise
def half_turn(image: Tensor) -> Tensor:
    """Turn an image (Y, X) by 180°."""
    ...


# %% [markdown]
# <!-- help: half_turn -->

# %%
progress()
