// Draws the attention explorer: where one pixel looks, in the image and in the turned image. All weights were computed in
// Python and come as bytes, two for each weight, in the order (turn, head, sheet, k², Y, X).

const BLUE = [18, 87, 200], FADED = 0.7 * 255;

// The weights that a pixel gives to every pixel of the image, as shares of 1.
function gazeOf(weights, setup, frame, head, sheet, [row, column]) {
  const { size, window: k, heads, sheets } = setup, reach = (k - 1) / 2;
  const start = ((frame * heads + head) * sheets.length + sheet) * k * k * size * size + row * size + column;
  return Float64Array.from({ length: size * size }, (_, at) => {
    const [down, right] = [Math.floor(at / size) - row + reach, (at % size) - column + reach];
    const inside = down >= 0 && down < k && right >= 0 && right < k;
    return inside ? weights[start + (down * k + right) * size * size] / 65535 : 0;
  });
}

function strongest(gaze, size) {
  const at = gaze.indexOf(Math.max(...gaze));
  return `row ${Math.floor(at / size)}, column ${at % size} (${(100 * gaze[at]).toFixed(1)} %)`;
}

function drawGaze({ context, unit }, image, isGray, blue, gaze, { size, window }, [row, column], [x, y]) {
  const most = Math.max(...gaze) || 1, cell = unit / size, length = unit / 8;
  // On a gray image what is looked at turns blue; on a photograph it keeps its color, and all else fades.
  const colorOf = (at) => {
    const share = (gaze[at] / most) ** (isGray ? 0.5 : 0.7), own = image.subarray(3 * at, 3 * at + 3); // so that faint looks show too
    const isSeen = at === row * size + column; // it is to be compared with
    const mixed = (part, i) => (isGray ? part + 0.9 * share * (blue[i] - part) : isSeen ? part : part + 0.75 * (1 - share) * (FADED - part));
    return pixel(...[...own].map((part, i) => Math.round(mixed(part, i))));
  };
  context.drawImage(paint(size, colorOf), -unit / 2, -unit / 2, unit, unit);
  const edge = (at, far) => Math.max(0, Math.min(size, at + far)) * cell - unit / 2, far = window / 2;
  const [left, top, right, bottom] = [edge(column + 0.5, -far), edge(row + 0.5, -far), edge(column + 0.5, far), edge(row + 0.5, far)];
  [context.strokeStyle, context.lineWidth] = [GRAY, unit / 300];
  context.strokeRect(left, top, right - left, bottom - top);
  const from = [(column + 0.5) * cell - unit / 2, (row + 0.5) * cell - unit / 2];
  const to = [from[0] + x * length, from[1] - y * length], angle = Math.atan2(-y, x);
  for (const [color, width] of [["white", 6], [MARK, 3]]) {
    const thick = (width * unit) / 300;
    context.strokeStyle = color;
    context.lineWidth = thick;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    for (const side of [-0.5, 0.5]) {
      context.moveTo(...to);
      context.lineTo(to[0] - 0.35 * length * Math.cos(angle + side), to[1] - 0.35 * length * Math.sin(angle + side));
    }
    context.stroke();
    context.strokeRect(from[0] - cell / 2, from[1] - cell / 2, cell, cell); // around the pixel, whose color stays seen
  }
}

function statusText(setup, frame, pixels, sheets, gazes) {
  const [one, two] = gazes.map((gaze) => strongest(gaze, setup.size));
  const name = (i) => `pixel (${pixels[i].join(", ")}) on sheet ${setup.sheets[sheets[i]]}`;
  const moved = (at) => carry([Math.floor(at / setup.size), at % setup.size], frame, setup.size);
  const differences = Array.from(gazes[0], (weight, at) => {
    const [row, column] = moved(at);
    return Math.abs(weight - gazes[1][row * setup.size + column]);
  });
  const parts = [`The ${name(0)} looks most at ${one}.`];
  parts.push(`Turned by ${frame.degrees}°${frame.mirror ? ", then mirrored" : ""} (g = ${frame.name}), it is the ${name(1)} and looks most at ${two}.`);
  parts.push(`The turned gaze differs from it by at most ${(100 * Math.max(...differences)).toFixed(1)} %; over all pixels the relative equivariance error is ${errorText(frame.error)}.`);
  if (!frame.element) parts.push(`${frame.name} is no element of ${setup.group}: sheets are permuted as for ${frame.nearest}.`);
  return parts.join(" ");
}

function render(widget) {
  const { model, on } = widget, setup = model.get("setup"), { size, frames } = setup, data = model.get("data");
  const weights = new Uint16Array(asBytes(data.weights).slice().buffer), images = asBytes(data.images).slice();
  const isGray = images.every((part, i) => part === images[i - (i % 3)]), blue = isGray ? onPage(...BLUE) : BLUE; // photographs stay
  for (let i = 0; isGray && i < images.length; i += 3) images.set(onPage(...images.subarray(i, i + 3)), i);
  const [sheet, head] = [setup.sheets, [...Array(setup.heads).keys()]].map((names) => control("select", {}, ...options(names)));
  const labels = [
    bound(widget, "row", "row", slider(size - 1)), bound(widget, "column", "column", slider(size - 1)),
    bound(widget, "sheet", "sheet", sheet), bound(widget, "head", "head", head),
    bound(widget, "degrees", "turn", slider(270, 90), "°"), bound(widget, "mirror", "mirror", checkbox()),
  ];
  [labels[2].hidden, labels[3].hidden, labels[5].hidden] = [setup.sheets.length === 1, setup.heads === 1, frames.length === 4];
  const page = layOut(widget, labels, ["the image: point at where to look from", "the image, turned"], draw);
  for (const { canvas } of page.stages) canvas.className = "fme-framed";

  function draw() {
    const index = frameOf(model, frames);
    if (index < 0) return; // an angle that is no quarter turn, set from Python
    const frame = frames[index], here = [model.get("row"), model.get("column")], width = Math.min(340, page.width);
    const pixels = [here, carry(here, frame, size)], sheets = [model.get("sheet"), frame.carry[model.get("sheet")]];
    const gazes = [0, index].map((turn, i) => gazeOf(weights, setup, turn, model.get("head"), sheets[i], pixels[i]));
    [0, index].forEach((turn, i) => {
      const image = images.subarray(3 * turn * size * size, 3 * (turn + 1) * size * size);
      drawGaze(page.stages[i].begin(width, [0.5, 0.5]), image, isGray, blue, gazes[i], setup, pixels[i], setup.ahead[sheets[i]]);
    });
    page.say(statusText(setup, frame, pixels, sheets, gazes));
  }

  followPointer(page.stages[0].canvas, model, size, ([row, column]) => {
    model.set("row", row);
    model.set("column", column);
  });
  on(["row", "column", "sheet", "head", "degrees", "mirror"], draw);
  draw();
}

export default { render: followingThePage(render) };
