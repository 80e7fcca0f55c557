"""Figures: the same bytes every time, words that carry the numbers, sheets where the group takes them."""

import base64
import io
import re
from html import unescape

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from course_lib import figures
from course_lib.figures import captions
from course_lib.figures.labels import ROOM, name_lines
from course_lib.figures.picture import Picture, color_map, draw_map, new_figure, shared_scale, typeset_actions
from course_lib.figures.render import DPI
from course_lib.figures.rings import draw_sheets, ring_arrows, ring_centers, ring_positions
from course_lib.figures.style import BELOW_NUMBERS, ELEMENT_COLORS, FONT, INK, SIGNED, line_looks, typeset
from course_lib.groups import ALL_GROUPS, C2, C4, C8, D1, D4, Element, cayley_table, compose, matrix
from course_lib.training import History, TrainConfig

R, M = Element(0, 1), Element(1, 0)
SHEETS = torch.arange(8 * 4 * 4).reshape(8, 4, 4) * 1.0
IMAGE = torch.rand(1, 1, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
POINTS = np.array([(0, 0), (1, 0), (1, 2)])


# What the alt text must say, besides being there.
EXAMPLES = {
    "panels": (lambda: figures.panels({"f": [[1, 2], [3, 4.5]], "g": IMAGE[0, 0, :2, :2]}), "f: 1 2 / 3 4.5"),
    "many panels": (lambda: figures.panels({f"sheet {i}": IMAGE[0, 0] for i in range(7)}), "9 × 9"),
    "Cayley table": (lambda: figures.cayley_table_figure(D4.cayley_table, D4.elements), "r: r r² r³ e"),
    "no group": (lambda: figures.cayley_table_figure(cayley_table([0, 2], lambda a, b: a + b), [0, 2]), "2: 2 outside"),
    "tiles": (
        lambda: figures.symmetries_of_the_square(D4),
        "r: matrix [[0, -1], [1, 0]], corners from top left clockwise 2",
    ),
    "cosets": (lambda: figures.cosets_figure(D4, D1), "rS = {r, mr³}"),
    "Cayley graph": (lambda: figures.cayley_graph(D4), "dashed lines join h and m·h"),
    "lattice": (lambda: figures.lattice_points({"before": POINTS, "after": POINTS + [1, -1]}), "after: "),
    "single ring": (lambda: figures.act_on_ring(SHEETS[:4], R, C4), "r³ to e, e to r, r to r², r² to r³."),
    "action": (lambda: figures.act_on_ring(SHEETS, R, D4), "r³ to e, e to r, r to r², r² to r³, mr to m"),
    "planar bank": (lambda: figures.filter_bank_figure(SHEETS, D4), "4 × 4 planar filter"),
    "bank off the lattice": (lambda: figures.filter_bank_figure(SHEETS, C8), "r^(7/2)"),
    "group bank": (lambda: figures.filter_bank_figure(torch.ones(4, 4, 3, 3), C4), "e, r, r², r³"),
    "curves": (lambda: figures.learning_curves({"a": [[0.5, 0.7], [0.5, 0.9]], "b": [0.1, 0.2]}), "a: from 0.5 to 0.8"),
    "angles": (lambda: figures.accuracy_by_angle({"a": [0.9, 0.3, 0.8]}, [0, 45, 90]), "lowest 0.3 at 45°"),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_figure_is_the_same_every_time_and_says_what_it_shows(name):
    draw, words = EXAMPLES[name]
    torch.manual_seed(1)
    first = draw()
    torch.manual_seed(1)
    assert draw().image == first.image
    assert words in first.alt
    assert first.size[0] <= 900 and len(first.image) < 60_000


def test_a_picture_shows_itself_with_its_words():
    picture = figures.panels({"f": [[1, 2]]})
    data, metadata = picture._repr_mimebundle_()
    assert data["text/plain"] == picture.alt == metadata["image/png"]["alt"]
    assert isinstance(data["image/png"], str)


def test_a_plot_is_an_svg_of_outlines_with_its_words_and_a_map_is_pixels():
    plot = figures.learning_curves({"p4 network": [0.5]}, 'error, in "%"')
    text = plot.image.decode()
    assert text.startswith("<svg ") and not re.search(
        r"<text|font-family|<metadata|\d\.\d{3,}pt|https?://(?!www)", text
    )
    assert f'width="{plot.size[0]}" height="{plot.size[1]}"' in text and plot.size[0] == 6.4 * DPI
    data, _ = plot._repr_mimebundle_()
    source, alt = re.match(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)"', data["text/html"]).groups()
    assert base64.b64decode(source) == plot.image and unescape(alt) == plot.alt == data["text/plain"]
    assert figures.panels({"f": IMAGE[0, 0]}).image.startswith(b"\x89PNG")


def test_every_mark_that_an_svg_uses_is_still_there():
    text = figures.learning_curves({"a": [[0.5, 0.7], [0.5, 0.9]]}).image.decode()
    used = set(re.findall(r'(?:href="|url\()#([\w-]+)', text))
    assert used and used <= set(re.findall(r' id="([\w-]+)"', text))


def test_lines_that_end_apart_carry_their_names_and_others_have_a_legend():
    def drawn(ends):
        axes = new_figure(4, 3).subplots()
        for name, end in ends.items():
            axes.plot([0, 1, 2], [0, end, np.nan], label=name)
        name_lines(axes)
        return axes

    apart, together = drawn({"low": 1, "middle": 1.3, "high": 4}), drawn({"low": 1, "middle": 1.0, "high": 4})
    assert [text.get_text() for text in apart.texts] == ["low", "middle", "high"] and apart.get_legend() is None
    heights = [text.get_position()[1] for text in apart.texts]
    assert min(np.diff(heights)) > ROOM - 1e-6 and [text.xy for text in apart.texts] == [(1, 1), (1, 1.3), (1, 4)]
    assert not together.texts and len(together.get_legend().get_texts()) == 3


def test_a_caption_is_shown_below_its_figure_and_one_without_is_left_to_ipython(monkeypatch):
    shown = []
    monkeypatch.setattr(captions, "display", lambda what, **options: shown.append((what, options)))
    picture = figures.panels({"f": [[1, 2]]})
    picture.captioned("The map $L_r f$.")._ipython_display_()
    (data, options), (caption, about) = shown
    assert data["text/plain"] == picture.alt and options["metadata"]["image/png"]["alt"] == picture.alt
    assert caption == {"text/markdown": "*The map $L_r f$.*", "text/plain": "The map $L_r f$."}
    assert about == {"metadata": {captions.CAPTION: True}, "raw": True}
    data, _ = InteractiveShell().display_formatter.format(figures.panels({"f": [[1, 2]]}))
    assert "image/png" in data and len(shown) == 2


def test_rare_colors_survive_the_palette():
    figure = new_figure(4, 3)
    axes = figure.subplots()
    axes.imshow(np.random.default_rng(0).random((100, 100)), cmap="viridis")
    axes.add_patch(Circle((50, 50), 3, color=ELEMENT_COLORS[R]))
    axes.add_patch(Circle((20, 20), 0.3, color="#0676B6"))  # nearly that of e
    picture = Picture.from_figure(figure, "")
    colors = {color: n for n, color in Image.open(io.BytesIO(picture.image)).convert("RGB").getcolors(10**7)}
    assert {(0xD5, 0x5E, 0x00), (255, 255, 255)} <= set(colors)
    assert (0x00, 0x72, 0xB2) not in colors, "no other pixel takes the color of an element"
    assert np.abs(np.array(list(colors)) - (0x06, 0x76, 0xB6)).max(axis=1).min() < 12, "nor that of a map"
    assert colors[255, 255, 255] > 0.2 * sum(colors.values()), "the ground is exactly white, not nearly"
    assert picture.size == (4 * DPI, 3 * DPI) and sum(colors.values()) == 4 * 4 * 3 * DPI**2, "twice as dense"


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_left_multiplication_turns_the_rings_and_mirrors_the_picture(group):
    centers, positions = ring_centers(group), ring_positions(group)
    for g in group.elements:
        images = positions[[group.index(compose(g, h)) for h in group.elements]]
        moved_centers = -centers if g.m else centers  # a mirror in the line between the rings
        assert np.allclose(images, moved_centers + (positions - centers) @ matrix(g).T)
    if group.has_mirrors:  # so m itself mirrors the picture, sheet for sheet
        images = positions[[group.index(compose(M, h)) for h in group.elements]]
        assert np.allclose(images, positions @ matrix(M).T)


def test_a_photograph_keeps_its_rare_colors():
    photograph = np.random.default_rng(0).uniform(0.4, 0.6, (40, 40, 3))
    photograph[20, 20] = 1, 0.2, 0  # a single pixel of this color
    figure = new_figure(2, 2)
    figure.add_subplot().imshow(photograph, interpolation="nearest")
    image = Image.open(io.BytesIO(Picture.from_figure(figure, "noise").image)).convert("RGB")
    assert (255, 51, 0) in {color for _, color in image.getcolors(image.width * image.height)}


def test_a_number_stands_at_the_height_of_its_tick():
    figure = new_figure(2, 2)
    axes = figure.add_subplot()
    axes.imshow([[0.0]], cmap="gray_r")
    axes.set(xticks=[], yticks=[0], yticklabels=["1"], frame_on=False)
    image = np.asarray(Image.open(io.BytesIO(Picture.from_figure(figure, "one").image)).convert("L"))
    columns = np.flatnonzero((image < 128).any(axis=0))
    gap = columns[:-1][np.diff(columns) > 1][0]  # between the number and its tick
    number, tick = (
        np.flatnonzero((part < 128).any(axis=1)).mean() for part in (image[:, : gap + 1], image[:, gap + 1 :])
    )
    assert abs(number - tick) < 2  # pixels, of which an inch has 200


def test_sheets_stand_at_quarter_turns_and_mirrored_ones_opposite():
    assert np.allclose(ring_positions(C4) / ring_positions(C4)[0, 0], [(1, 0), (0, 1), (-1, 0), (0, -1)])
    around = ring_positions(D4) - ring_centers(D4)
    m, mr, mr2, mr3 = around[4:] / around[0, 0]
    assert np.allclose([m, mr, mr2, mr3], [(-1, 0), (0, 1), (1, 0), (0, -1)])


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_no_arrow_passes_under_a_sheet(group):
    positions = ring_positions(group)
    for _, points in ring_arrows(group):
        assert (np.abs(points[:, None] - positions).max(axis=-1) > 0.5).all()


@pytest.mark.parametrize("group", ALL_GROUPS, ids=str)
def test_no_two_sheets_overlap(group):
    positions = ring_positions(group)
    distances = np.abs(positions[:, None] - positions[None]).max(axis=-1)
    assert (distances + 9 * np.eye(group.order) >= 1).all()


def test_a_sheet_keeps_the_color_of_the_place_that_it_came_from():
    axes = new_figure(2, 2).add_subplot()
    draw_sheets(axes, SHEETS[:4].numpy(), C4, shared_scale([SHEETS.numpy()]), C4.permutation(R))
    assert [text.get_text() for text in axes.texts] == ["e ← r³", "r ← e", "r² ← r", "r³ ← r²"]
    colors = [to_hex(frame.get_edgecolor()).upper() for frame in axes.patches if isinstance(frame, Rectangle)]
    assert colors == [ELEMENT_COLORS[Element(0, k)] for k in (3, 0, 1, 2)]


def test_arrows_lead_from_h_to_gh():
    arrows = ring_arrows(D4)
    assert [g for g, _ in arrows] == 8 * [R] + 4 * [M]
    positions = ring_positions(D4)
    for g, points in arrows:
        start, end = (np.abs(positions - point).max(axis=1).argmin() for point in (points[0], points[-1]))
        assert D4.elements[end] == compose(g, D4.elements[start])
        assert np.abs(points[0] - positions[start]).max() < 0.75 and np.abs(points[-1] - positions[end]).max() < 0.75


def test_coset_sheets_stand_where_their_first_element_would():
    assert np.allclose(ring_positions(D4, C4), ring_positions(D4)[[0, 4]])
    assert np.allclose(ring_positions(C2, C2), [(0, 0)])


def test_learning_curves_take_histories():
    history = History(TrainConfig(epochs=2, batch_size=1, learning_rate=0.1), validation_accuracy=[0.5, 0.75])
    one, many = figures.learning_curves({"p4": history}), figures.learning_curves({"p4": [history, history]})
    assert "p4: from 0.5 to 0.75 after 2 epochs" in one.alt
    assert "over 2 seeds" in many.alt


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_written_and_take_no_part_in_the_scale(bad, sign):
    picture = figures.panels({"f": [[bad, 1], [2, sign * 3.5]], "g": [[bad, bad]]})
    assert f"f: {bad:.3g} 1 / 2 {sign * 3.5}; g: {bad:.3g} {bad:.3g}" in picture.alt
    scale = shared_scale([np.array([bad, 1, sign * 3.5])])
    assert (scale.vmin, scale.vmax) == ((0, 3.5) if sign > 0 else (-3.5, 3.5))


def test_numbers_of_a_map_have_the_same_decimals_and_only_zero_is_0():
    written = {}
    for values in ([[0.1, 0.25], [0, -0.001]], [[0.5, 2]], [[1, 2]]):
        axes = new_figure(2, 2).subplots()
        draw_map(axes, np.array(values), shared_scale([np.array(values)]), values=True)
        written[str(values)] = [text.get_text() for text in axes.texts]
    assert list(written.values()) == [["0.10", "0.25", "0", "0.00"], ["0.5", "2.0"], ["1", "2"]]


@pytest.mark.parametrize("values", [[0, 0], [0, 3], [-1, 3], [-1e-17, 3]])
def test_zero_is_white_and_only_a_true_sign_has_two_colors(values):
    scale = shared_scale([np.array(values)])
    signed = min(values) < -1e-9
    assert bool(scale.vmin < 0) == signed
    assert (SIGNED if signed else INK)(float(scale(0))) == (1, 1, 1, 1)


def test_an_element_has_its_color_in_every_figure_and_rotations_keep_theirs_in_larger_groups():
    assert len(set(ELEMENT_COLORS.values())) == 8
    table = figures.cayley_table_figure(C4.cayley_table, C4.elements)
    pictures = [table, figures.cayley_graph(D4), figures.act_on_ring(SHEETS[:4], R, C4)]
    for picture in pictures:
        colors = _colors(picture)
        for h in C4.elements:
            assert ELEMENT_COLORS[h].lower() in colors, h


def _colors(picture):
    if picture.image.startswith(b"<svg"):
        return set(re.findall(r"#[0-9a-f]{6}", picture.image.decode()))
    found = Image.open(io.BytesIO(picture.image)).convert("RGB").getcolors(10**7)
    return {"#" + bytes(color).hex() for _, color in found}


@pytest.mark.parametrize("low", [0, -7])
def test_cells_have_exactly_the_color_of_their_value(low):
    values = np.arange(low, low + 16).reshape(4, 4)
    image = Image.open(io.BytesIO(figures.panels({"f": values}).image)).convert("RGB")
    shown, scale = np.array([color for _, color in image.getcolors(10**7)]), shared_scale([values])
    colors = BELOW_NUMBERS[color_map(scale).name]
    for value in values.flat:
        wanted = np.array(colors(float(scale(value)), bytes=True)[:3], int)
        assert np.abs(shown - wanted).max(axis=1).min() <= 1


@pytest.mark.parametrize("values", [[[0, 1]], [[0, 1, 2, 3]], [[-1, 0, 1]]])
def test_pictures_with_few_colors_are_white_too(values):
    picture = Image.open(io.BytesIO(figures.panels({"f": values}, values=False).image)).convert("RGB")
    colors = {color: n for n, color in picture.getcolors(10**7)}
    assert max(colors, key=colors.get) == (255, 255, 255)


def test_elements_are_typeset():
    upright = ("{e}", "{r}", "{r}^2", "{r}^3", "{m}", "{mr}", "{mr}^2", "{mr}^3")  # as in words
    assert [typeset(g) for g in D4.elements] == [rf"\mathrm{g}" for g in upright]


def test_all_text_is_in_the_shipped_font(caplog):
    figure = new_figure(4, 3)
    figure.suptitle(r"$L_{r^2}\,\psi$ and Φ")
    figure.text(0.5, 0.2, "← e", weight="bold")
    axes = figure.subplots()
    axes.plot([1, 2], [1e-9, 1e-3])
    axes.set(yscale="log", xlabel=r"$-\psi \neq \Phi(\tilde{g}^{-1}) \odot \sqrt{2} \times \rightarrow$")
    Picture.from_figure(figure, "")
    assert all(text.get_fontname() == FONT for text in figure.texts), "found, not replaced by another"
    assert not caplog.records, "no sign is missing"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.panels({}), "at least one map"),
        (lambda: figures.panels({"f": SHEETS}), r"'f' must have two axes .* \(8, 4, 4\)"),
        (lambda: figures.act_on_ring(SHEETS, R, C4), r"shape \(4, Y, X\), got \(8, 4, 4\)"),
        (lambda: figures.filter_bank_figure(SHEETS, C4), r"\(4, k, k\)"),
        (lambda: figures.cayley_table_figure([[0, 1]], ["e"]), r"square .* got shape \(1, 2\)"),
        (lambda: figures.cosets_figure(C4, D1), "not a subgroup"),
        (lambda: figures.act_on_ring(SHEETS[:4], M, C4), "not an element of C4"),
        (lambda: figures.learning_curves({str(i): [1.0] for i in range(7)}), "6 lines at most .* got 7"),
    ],
)
def test_errors_name_the_value_and_the_way_out(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_the_action_in_a_title_is_typeset_and_its_words_stay():
    assert typeset_actions("L_r² f") == r"$L_{h}$ $f$, $h=\mathrm{r}^2$"
    assert typeset_actions("L_mr ψ") == r"$L_{\mathrm{mr}}$ $ψ$"
    assert typeset_actions(r"$L_{r}$ f, not L_e f") == r"$L_{r}$ f, not L_e f"
    assert typeset_actions("W_r W_m f(x)") == r"$W_{\mathrm{r}}$ $W_{\mathrm{m}}$ $f$($x$)"
    assert typeset_actions("FULL_r and f_L") == "FULL_r and f_L"
    plain, action = (figures.panels({title: np.eye(3)}) for title in ("Lr f", "L_r f"))
    assert plain.image != action.image and action.alt == plain.alt.replace("Lr f", "L_r f")


def test_a_kind_of_network_has_the_same_color_everywhere_and_two_of_a_kind_differ():
    z2, p4 = line_looks(["Z2CNN", "P4CNN"])
    assert line_looks(["p4 network", "ordinary network"]) == [p4, z2] != [z2, p4]
    assert line_looks(["gc-P4CNN, 30 channels", "P4CNN", "E4-Net"])[1] == p4
    first, second = line_looks(["P4CNN", "P4CNN on p4m"])
    assert first == p4 != second
    looks = line_looks(["turned", "Z2CNN", "P4CNN", "P4CNN on p4m", "gc-P4CNN", "E4-Net"])
    assert all(len(set(parts)) == 6 for parts in zip(*looks, strict=True)), "color, dash and marker all differ"
    assert not {z2, p4} & set(ELEMENT_COLORS.values())
