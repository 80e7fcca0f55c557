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
# **Time:** about 20 minutes, with one exercise. **Hardware:** any laptop; no GPU, and no internet once the course is installed.

# %% [markdown]
# ## Your machine
#
# A gray box is a *code cell*. Click into it and press **Shift + Enter**: it runs, its result appears below, and the next
# cell is selected. Run all cells in order, from the first to the last.

# %% tags=["nbval-ignore-output"]
import os
import platform

import torch

gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} CPU cores, GPU: {gpu}")

# %%
assert torch.__version__ >= "2.4", "This course needs torch 2.4 or newer."
print("Ready: this machine can run the course. A GPU helps only with long trainings, as in notebook 11.")

# %% [markdown]
# ## The question of this course
#
# Two small networks have learned to read handwritten digits. Both were trained in the same way, on the same 1,029 digits,
# all of them upright. The first is an ordinary convolutional network. The second is of the kind that you will build in
# this course.
#
# **Predict before you run the cell.** Both are shown a 2, and then the same 2 turned by 90°, 180° and 270°. What will
# each of them answer?

# %%
import torch
from torch import Tensor

from course_lib.actions import act_on_image
from course_lib.data import load_digits
from course_lib.exercises import exercise
from course_lib.experiments import trained
from course_lib.figures import panels
from course_lib.groups import C4, Element

digits = load_digits().test.to("cpu", torch.float64)
ordinary, ours = trained("upright-cnn").double(), trained("upright-p4cnn").double()
two = digits.images[2:3]
turned = torch.cat([act_on_image(Element(0, quarter), two) for quarter in range(4)])
answers = {}
for name, net in {"ordinary": ordinary, "ours": ours}.items():
    with torch.no_grad():
        certain, answer = net(turned).softmax(dim=1).max(dim=1)
    for quarter in range(4):
        mark = "✓" if answer[quarter] == 2 else "✗"
        said = f"{mark} {answer[quarter]} ({100 * certain[quarter]:.0f} %)"
        answers[f"{name}, {90 * quarter}°: {said}"] = turned[quarter, 0]
panels(answers, columns=4).captioned(
    "Above, the ordinary network changes its answer when the 2 turns; below, ours does not."
)

# %% [markdown]
# The ordinary network is sure that the upright 2 is a 2. Turned, the 2 becomes a 5, an 8 and a 9. Our network gives the
# same answer all four times, with the same certainty. Yet our network has never seen a turned digit either.
#
# One digit could be luck, so here are all 510 digits of the test set:

# %%
from course_lib.training import predict

for name, net in {"ordinary": ordinary, "ours": ours}.items():
    rates = []
    for quarter in range(4):
        right = predict(net, act_on_image(Element(0, quarter), digits.images)) == digits.labels
        rates.append(f"{right.double().mean():4.0%}")
    print(f"{name:<9} right at 0°, 90°, 180°, 270°:", "  ".join(rates))

# %% [markdown]
# For a handwritten 2 you may not mind: on paper, up is up. But a slice of tissue under a microscope has no up. Neither
# does a field seen from a satellite, or a galaxy. For such pictures, an ordinary network has to learn every pattern anew
# in each direction, and you can only hope that it does. The networks of this course do not need to: the symmetry is built
# in.
#
# How can a symmetry be built in? The next picture is the heart of the course.
#
# ## The turning ring
#
# Between the image and the answer, a network computes *feature maps*: images again, which say where a certain pattern was
# found. Our network keeps four of them for each pattern, one for each direction. The figure arranges them in a ring.
#
# 1. It opens after a quarter turn. Drag the picture on by another one, or use the slider and the arrow keys. What happens to the four framed maps?
# 2. On the left, the picture was turned and then went through the network. On the right, it went through the network
#    first, and then its maps were turned *and moved on by one place*. Do the two agree?
# 3. Switch from our network, the *p4 network* (notebook 01 explains the name), to the ordinary one, and turn again. Watch
#    the maps, and watch the bars, which show the answer: one bar for each digit from 0 to 9.
#
# Where no *kernel* runs, the Python process behind a notebook, you may see a still picture instead, as on GitHub: the four
# maps of one pattern before a quarter turn (left) and after it (right).

# %%
from course_lib.widgets import turning_ring

turning_ring({"p4 network": ours, "ordinary network": ordinary}, two).captioned(
    "When the 2 makes a quarter turn, each of the four sheets turns and moves on to the next place "
    "(r ← e: at r is now what was at e). Frames without a map: no difference."
)

# %% [markdown]
# In our network the maps turn with the picture, and each of them *travels* to the next place. Nothing is lost, and nothing
# new comes in. The answer uses all four places alike, and all pixels, so it stays the same at every quarter turn. (At the
# angles in between, pixels have to be mixed, and the answer may change.) In the ordinary network, the maps have no place to
# go to: each of them becomes something else, and the answer jumps.
#
# ## Why do the maps travel? Four turned filters
#
# Here is a photograph, and the same photograph turned by 90° (counter-clockwise, as always in this course).

# %%
from course_lib.data import load_photograph
from course_lib.figures.actions import photographs

quarter_turn = Element(0, 1)
photograph = load_photograph()
photographs({"a photograph": photograph[0], "turned by 90°": act_on_image(quarter_turn, photograph[0])}).captioned(
    "A quarter turn, as everywhere in this course, goes counter-clockwise."
)

# %% [markdown]
# Take a filter that finds edges: it responds where the picture is brighter on the right than on the left. Now turn the
# *filter* by 90°, 180° and 270°, which gives three more filters, for edges in three more directions. Each of the four
# filters slides over the photograph and produces a map of its own, a *sheet*. The four sheets are arranged in a ring, and
# are called `e` (filter not turned), `r` (turned by 90°), `r²` (180°) and `r³` (270°).
#
# **Predict before you scroll on.** Now the photograph is turned, while the four filters stay as they are. What happens to
# the sheets? Do they stay, do they turn, or do they change places?

# %%
from course_lib.actions import act_on_feature_map
from course_lib.figures import act_on_ring
from course_lib.layers import LiftingConv2d

four_filters = LiftingConv2d(C4, 1, 1, 3, bias=False)
four_filters.weight.data[0, 0] = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
gray = photograph.mean(1, keepdim=True)
images = (gray, act_on_image(quarter_turn, gray))
sheets, sheets_of_turned = (four_filters(image)[0, 0].detach().relu() for image in images)
same = torch.allclose(sheets_of_turned, act_on_feature_map(quarter_turn, sheets, C4), atol=1e-5)
print("the sheets of the turned photograph are those of the ring on the right:", same)
act_on_ring(sheets, quarter_turn, C4).captioned(
    "Every sheet turns, as its small circle shows, and moves one place on, as the color of its frame shows."
)

# %% [markdown]
# They turn *and* they change places: every sheet moves on by one place along the arrows. The left ring shows the sheets
# of the photograph, the right ring those of the turned photograph. (Its title, `L_r f`, is read "f, moved by r".) Follow
# one color: the sheet in the blue frame was at `e`, and is now at the top, where `r` was. The small circle marks a corner
# of each sheet, so that you can see it turn.
#
# Why do they change places? On the turned photograph, filter `r` sees exactly what filter `e` saw before: filter and
# picture have turned together. So the map that was at `e` appears at `r`, turned. Nothing is lost and nothing new comes
# in. To give the same answer as before, the network only has to treat all four places alike, and all pixels of a sheet.
# Notebooks 01 to 04 explain this picture, and build the layers that work like this.
#
# ## Turn it yourself
#
# The *feature map explorer* below shows our network at work on the 2. The bars are the network's answer: the highest
# belongs to the digit that it reads.
#
# 1. Move the angle with the slider, or with the arrow keys. What happens to the sheets, and what happens to the bars?
# 2. On the left, the digit was turned and then went through the network. On the right, it went through the network, and
#    then the result was turned as above: each sheet turned, and moved on. Do the two differ? What does the *error* say?
# 3. Choose a deeper layer. Does anything change?
#
# Where the slider cannot run, as on GitHub, you see a still picture of the explorer: at 90°, after the first ReLU (`relu1`).

# %%
from course_lib.widgets import feature_map_explorer, progress_page

feature_map_explorer(ours, two).captioned(
    "At quarter turns both orders give the same maps in our network, so their difference is empty."
)

# %% [markdown]
# For quarter turns the two orders agree in every layer, and the bars do not move: the network gives the same answer for all
# four. It never had to learn that. The *error* is the size of the difference compared with the size of the maps; at 90° it
# is nothing but rounding, far less than one part in a million. At other angles pixels have to be mixed, and the two orders
# differ (notebook 02). An ordinary network fails even at quarter turns, as you saw above; notebook 03 shows where.

# %% [markdown]
# ## How exercises work
#
# You learn this by building it. An exercise is an empty function, with three dots where your code goes. Run its cell at
# any time: it checks your function, and if something is wrong, it shows you a small example for which your answer is
# wrong.
#
# - **Empty?** The cells below use the course's own function. You can go on, and come back later.
# - **Wrong?** You see the input, what was expected, and what you returned. Fix it and run the cell again. Meanwhile, the
#   cells below use the course's function.
# - **Right?** The cells below use *your* function.
#
# Try it: turn an image by 180°, so that each pixel ends up on the other side of the center, equally far from it. Try a
# wrong answer first, such as `return image.flip(0)`.


# %%
@exercise
def half_turn(image: Tensor) -> Tensor:
    """Turn an image (Y, X) by 180°."""
    ...


# %% [markdown]
# Above each exercise you find its number and the time it takes. Below it there are hints, which open when you click
# them. The first is a nudge, the last nearly gives the answer away. The solution is folded away below the hints. It is the
# source code of the course's own library.
#
# <!-- help: half_turn -->

# %% [markdown]
# The cells below an exercise use the function, yours or the course's. Two half turns give the image back:

# %%
image = gray[0, 0]
print("two half turns change nothing:", torch.equal(half_turn(half_turn(image)), image))
photographs({"the photograph": image, "half a turn": half_turn(image)}).captioned(
    "After half a turn, what was at the top left is at the bottom right."
)

# %% [markdown]
# ## How far you are
#
# Your progress is kept in your home folder, in `.equivariance-from-scratch/progress.json`, so it survives when you close
# the notebook or restart the kernel. In the table, each circle stands for one exercise: ○ is to do, ◐ is tried but does not
# pass its checks yet, and ● is done. Click a circle to open its notebook. To do an exercise again, choose it below the
# table and press *Reset this exercise*. Run the cell again to update the table.

# %%
progress_page()

# %% [markdown]
# ## The thirteen notebooks
#
# <!-- contents -->
#
# Take them in order: each notebook uses what the earlier ones have built.

# %% [markdown]
# ## If something goes wrong
#
# - **A cell shows an error that you do not understand:** *Kernel → Restart Kernel and Run All Cells*. Your progress is kept.
# - **A cell does not stop** (a star stays beside it): press the *stop* button, the square.
# - **You want to start over:** `git checkout notebooks/01_groups.ipynb`, typed into a terminal in the folder of the course,
#   brings back the original of that notebook. What you wrote in it is lost, so copy your answers first.

# %% [markdown]
# ## Recap
#
# - Shift + Enter runs a cell. Run them in order.
# - An exercise checks itself; an empty one falls back on `course_lib`, the small library that holds what the notebooks build.
# - When an image makes a quarter turn, the sheets of our network's feature maps turn *and* change places. An answer that
#   treats all places and all pixels alike stays the same.
#
# **Further reading:** T. S. Cohen and M. Welling, *Group equivariant convolutional networks*, ICML 2016, sections 1 and 2.
#
# **Next:** [01 Groups](01_groups.ipynb), where a square has eight symmetries, and they form a group.
