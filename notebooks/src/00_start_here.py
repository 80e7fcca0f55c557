# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 00 Start here
#
# **After this notebook you will be able to** step through the course: run a cell, do an exercise, open a hint, and see how
# far you are. You will also have seen what the course is about: what a network does when its image is turned.
#
# **What you need before:** a little Python and PyTorch (tensors, functions, what a convolution is). No group theory.
#
# **Time:** about 10 minutes, with one exercise. **Hardware:** any laptop; no GPU, and no network once the course is installed.

# %% [markdown]
# ## Your machine
#
# A grey box is a *code cell*. Click into it and press **Shift + Enter**: it runs, its result appears below, and the
# next cell is selected. Run all cells in order, from here to the end.

# %% tags=["nbval-ignore-output"]
import os
import platform

import torch

gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} CPU cores, GPU: {gpu}")

# %%
assert torch.__version__ >= "2.4", "This course needs torch 2.4 or newer."
print("Ready: this machine can run the course. A GPU is of use only in the last notebook, 11.")

# %% [markdown]
# ## The question of this course
#
# Here is a photograph, and the same photograph turned by 90° (counter-clockwise, as always in this course). You see at
# once that it shows the same cat. A convolutional network has to learn that separately for every angle, because turning
# is not built into a convolution, as shifting is. This course builds it in.

# %%
from torch import Tensor

from course_lib.actions import act_on_feature_map, act_on_image
from course_lib.data import load_photograph
from course_lib.exercises import exercise
from course_lib.figures.actions import photographs
from course_lib.groups import C4, Element

quarter_turn = Element(0, 1)
photograph = load_photograph()
photographs({"a photograph": photograph[0], "turned by 90°": act_on_image(quarter_turn, photograph[0])})

# %% [markdown]
# **Predict before you scroll on.** Take a filter, and the same filter turned by 90°, 180° and 270°. Each of the four
# slides over the photograph and gives a map, a *sheet*. They stand in a ring and are called `e` (not turned), `r` (90°),
# `r²` (180°) and `r³` (270°). Now the photograph is turned, and the four filters are not. What happens to the sheets? Do
# they stay, turn, or change places?

# %%
from course_lib.figures import act_on_ring
from course_lib.layers import LiftingConv2d

torch.manual_seed(0)
four_filters = LiftingConv2d(C4, 1, 1, 5)
grey = photograph.mean(1, keepdim=True)
sheets, sheets_of_turned = (four_filters(image)[0, 0].detach() for image in (grey, act_on_image(quarter_turn, grey)))
same = torch.allclose(sheets_of_turned, act_on_feature_map(quarter_turn, sheets, C4), atol=1e-5)
print("the sheets of the turned photograph are those of the ring on the right:", same)
act_on_ring(sheets, quarter_turn, C4)

# %% [markdown]
# They turn *and* change places: every sheet turns, and moves one place along the arrows. On the left are the sheets of
# the photograph, on the right those of the turned one (`L_g f` is read "f, moved by g"). Follow a colour: the sheet in
# the blue frame was at `e`, and is now at the top, where `r` stood. The dot marks a corner, so that you see the sheet
# turn. Notebooks 01 to 04 explain this picture and build the layers that work so.
#
# ## Turn it yourself
#
# Below is a small network of such layers (not trained yet) with a handwritten digit, and the *feature map explorer*. The
# bars are the network's answer: one for each digit from 0 to 9, the highest in orange.
#
# 1. Move the angle with the slider, or with the arrow keys: what happens to the sheets, and what to the bars?
# 2. On the left the digit was turned and then went through the network; on the right it went through the network, and
#    then the result was turned as above: each sheet turned, and moved on. Do the two differ? What does the *error* say?
# 3. Choose a deeper layer. Does anything change?
#
# Without a running kernel, as on GitHub, you see a still picture of the explorer: at 90°, after the first ReLU (`relu1`).

# %%
from course_lib.data import load_digits
from course_lib.models import p4cnn
from course_lib.widgets import feature_map_explorer, progress_page

digits = load_digits().test
four = digits.images[digits.labels == 4][:1]
feature_map_explorer(p4cnn(C4, width=4), four)

# %% [markdown]
# For quarter turns the two orders agree, in every layer, and the bars do not move: the network gives the same answer for
# all four. It never had to learn that. The *error* is the size of the difference compared with the size of the maps; at
# 90° it is nothing but rounding, about one part in a million or less. At other angles pixels have to be mixed, and the two
# orders differ (notebook 02). An ordinary network fails even at quarter turns, as you will see in notebook 03.

# %% [markdown]
# ## How exercises work
#
# You learn this by building it. An exercise is an empty function, with three dots where your code goes. Run its cell at
# any time: it checks your function, and if it is wrong shows you the smallest example where it goes wrong.
#
# - **Empty?** The cells below use the course's own function. You can go on, and come back later.
# - **Wrong?** You see the input, what was expected and what you returned. Mend it and run the cell again. Meanwhile, the
#   cells below use the course's function.
# - **Right?** The cells below use *your* function.
#
# Try it: turn an image by 180°, so that each pixel ends up on the other side of the centre, equally far from it. Try a
# wrong answer first, such as `return image.flip(0)`.


# %%
@exercise
def half_turn(image: Tensor) -> Tensor:
    """Turn an image (Y, X) by 180°."""
    ...


# %% [markdown]
# Below each exercise stand its number, the time it takes, and hints that open when you click them. The first is a nudge,
# the last nearly gives it away. The solution is folded away below the hints; it is the source of the course's own library.
#
# <!-- help: half_turn -->

# %% [markdown]
# The cells below an exercise use the function, yours or the course's. Two half turns give the image back:

# %%
image = grey[0, 0]
print("two half turns change nothing:", torch.equal(half_turn(half_turn(image)), image))
photographs({"the photograph": image, "half a turn": half_turn(image)})

# %% [markdown]
# ## How far you are
#
# Your progress is kept in your home folder, in `.equivariance-from-scratch/progress.json`, so it survives when you close
# the notebook or restart the kernel. *Not yet* lists what you have tried and what does not pass its check so far. Choose an
# exercise below the table and press *Reset* to have it to do again. Run the cell again to bring the table up to date.

# %%
progress_page()

# %% [markdown]
# ## The twelve notebooks
#
# <!-- contents -->
#
# Take them in order: each uses what the ones before have built.

# %% [markdown]
# ## If something goes wrong
#
# - **A cell shows an error that you do not understand:** *Kernel → Restart Kernel and Run All Cells*. Your progress is kept.
# - **A cell does not stop** (a star stays beside it): press the square *stop* button.
# - **You want to start afresh:** `git checkout notebooks/01_groups.ipynb` brings back the original of that notebook. What
#   you wrote in it is lost, so copy your answers first.

# %% [markdown]
# ## Recap
#
# - Shift + Enter runs a cell. Run them in order.
# - An exercise checks itself; an empty one falls back on `course_lib`, the small library that holds what the notebooks build.
# - When an image turns, the sheets of a feature map turn *and* change places.
#
# **Further reading:** T. S. Cohen and M. Welling, *Group equivariant convolutional networks*, ICML 2016, sections 1 and 2.
#
# **Next:** [01 Groups](01_groups.ipynb), where a square has eight symmetries, and they form a group.
