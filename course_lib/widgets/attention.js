// Draws the attention explorer: where one pixel looks, in the image and in the turned image. All weights were computed in
// Python and come as bytes, two for each weight, in the order (turn, head, sheet, k², Y, X).

const BLUE = [8, 69, 148];

function makeControls(setup) {
  const last = setup.size - 1;
  const range = (max, step) => control("input", { type: "range", min: 0, max, step });
  const [row, column, turn] = [range(last, 1), range(last, 1), range(270, 90)];
  const values = [row, column, turn].map(() => element("output"));
  const mirror = control("input", { type: "checkbox" });
  const [sheet, head] = [control("select"), control("select")];
  setup.sheets.forEach((name, i) => sheet.append(element("option", { value: i }, name)));
  for (let i = 0; i < setup.heads; i++) head.append(element("option", { value: i }, String(i)));
  const labels = [
    element("label", {}, "row", row, values[0]), element("label", {}, "column", column, values[1]),
    element("label", {}, "sheet", sheet), element("label", {}, "head", head),
    element("label", {}, "turn", turn, values[2]), element("label", {}, mirror, "mirror"),
  ];
  labels[2].hidden = setup.sheets.length === 1;
  labels[3].hidden = setup.heads === 1;
  labels[5].hidden = !setup.mirrors;
  return { box: element("div", { class: "fme-controls" }, ...labels), row, column, turn, mirror, sheet, head, values };
}

// Where a pixel goes: quarter turns counter-clockwise, then the mirror; rows are counted from above.
function carry([row, column], { degrees, mirror }, size) {
  for (let i = 0; i < degrees / 90; i++) [row, column] = [size - 1 - column, row];
  return [row, mirror ? size - 1 - column : column];
}

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

function drawGaze(canvas, scratch, image, blue, gaze, size, [row, column], [x, y]) {
  const context = canvas.getContext("2d"), unit = canvas.width / size, most = Math.max(...gaze) || 1;
  const mixed = (at, channel, share) => Math.round(image[3 * at + channel] * (1 - share) + blue[channel] * share);
  const pixelAt = (at) => {
    const share = 0.9 * Math.sqrt(gaze[at] / most); // the root, so that faint looks show too
    return pixel(mixed(at, 0, share), mixed(at, 1, share), mixed(at, 2, share));
  };
  context.imageSmoothingEnabled = false;
  context.drawImage(paint(scratch, size, pixelAt), 0, 0, canvas.width, canvas.height);
  const from = [(column + 0.5) * unit, (row + 0.5) * unit], length = canvas.width / 8;
  const to = [from[0] + x * length, from[1] - y * length], angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  for (const [color, width] of [["white", 6], [MARK, 3]]) {
    const thick = (width * canvas.width) / 300;
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = thick;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    for (const side of [-0.5, 0.5]) {
      context.moveTo(...to);
      context.lineTo(to[0] - 0.35 * length * Math.cos(angle + side), to[1] - 0.35 * length * Math.sin(angle + side));
    }
    context.stroke();
    context.strokeRect(from[0] - unit / 2, from[1] - unit / 2, unit, unit); // around the pixel, whose color stays seen
  }
}

function statusText(setup, frame, pixels, sheets, gazes) {
  const [one, two] = gazes.map((gaze) => strongest(gaze, setup.size));
  const name = (i) => `pixel (${pixels[i].join(", ")}) on sheet ${setup.sheets[sheets[i]]}`;
  let most = 0;
  gazes[0].forEach((weight, at) => {
    const [row, column] = carry([Math.floor(at / setup.size), at % setup.size], frame, setup.size);
    most = Math.max(most, Math.abs(weight - gazes[1][row * setup.size + column]));
  });
  const parts = [`${name(0)[0].toUpperCase()}${name(0).slice(1)} looks most at ${one}.`];
  parts.push(`Turned by ${frame.degrees}°${frame.mirror ? ", then mirrored" : ""} (g = ${frame.name}), it is ${name(1)} and looks most at ${two}.`);
  parts.push(`The turned gaze differs from it by at most ${(100 * most).toFixed(1)} %; over all pixels the relative equivariance error is ${errorText(frame.error)}.`);
  if (!frame.element) parts.push(`${frame.name} is no element of ${setup.group}: sheets are permuted as for ${frame.nearest}.`);
  return parts.join(" ");
}

function render({ model, el }) {
  const setup = model.get("setup"), { size } = setup, data = model.get("data");
  const weights = new Uint16Array(asBytes(data.weights).slice().buffer), images = asBytes(data.images).slice();
  const isGray = images.every((part, i) => part === images[i - (i % 3)]), blue = isGray ? onPage(...BLUE) : BLUE; // photographs stay
  for (let i = 0; isGray && i < images.length; i += 3) images.set(onPage(...images.subarray(i, i + 3)), i);
  const controls = makeControls(setup), scratch = document.createElement("canvas");
  const panels = [makePanel("the image: point at where to look from", 340), makePanel("the image, turned", 340)];
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  el.append(element("div", { class: "fme" }, controls.box, element("div", { class: "fme-panels" }, ...panels.map((p) => p.figure)), status));
  for (const { canvas } of panels) canvas.className = "fme-framed";
  panels[0].canvas.style.cursor = "crosshair";
  panels[0].canvas.style.touchAction = "none";

  function syncControls() {
    const [row, column, degrees] = ["row", "column", "degrees"].map((name) => model.get(name));
    [controls.row.value, controls.column.value, controls.turn.value] = [row, column, degrees];
    controls.turn.setAttribute("aria-valuetext", `${degrees} degrees`);
    [row, column, `${degrees}°`].forEach((value, i) => (controls.values[i].textContent = value));
    controls.mirror.checked = model.get("mirror");
    [controls.sheet.value, controls.head.value] = [model.get("sheet"), model.get("head")];
  }

  function draw() {
    syncControls();
    const index = setup.frames.findIndex((f) => f.degrees === model.get("degrees") && f.mirror === model.get("mirror"));
    if (index < 0) return; // an angle that is no quarter turn, set from Python
    const frame = setup.frames[index], here = [model.get("row"), model.get("column")];
    const pixels = [here, carry(here, frame, size)], sheets = [model.get("sheet"), frame.carry[model.get("sheet")]];
    const gazes = [0, index].map((turn, i) => gazeOf(weights, setup, turn, model.get("head"), sheets[i], pixels[i]));
    [0, index].forEach((turn, i) => {
      const image = images.subarray(3 * turn * size * size, 3 * (turn + 1) * size * size);
      drawGaze(panels[i].canvas, scratch, image, blue, gazes[i], size, pixels[i], setup.ahead[sheets[i]]);
    });
    const text = statusText(setup, frame, pixels, sheets, gazes);
    if (status.textContent !== text) status.textContent = text;
    panels.forEach((panel) => panel.canvas.setAttribute("aria-label", `${panel.figure.firstChild.textContent}. ${text}`));
  }

  function send(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }
  controls.row.addEventListener("input", () => send({ row: Number(controls.row.value) }));
  controls.column.addEventListener("input", () => send({ column: Number(controls.column.value) }));
  controls.turn.addEventListener("input", () => send({ degrees: Number(controls.turn.value) }));
  controls.mirror.addEventListener("change", () => send({ mirror: controls.mirror.checked }));
  controls.sheet.addEventListener("change", () => send({ sheet: Number(controls.sheet.value) }));
  controls.head.addEventListener("change", () => send({ head: Number(controls.head.value) }));
  // The gaze follows the pointer; the kernel is told where it came to rest.
  const follow = (event) => {
    const box = panels[0].canvas.getBoundingClientRect();
    const place = (offset, length) => Math.min(size - 1, Math.max(0, Math.floor((offset * size) / length)));
    model.set("row", place(event.clientY - box.top, box.height));
    model.set("column", place(event.clientX - box.left, box.width));
  };
  for (const event of ["pointerdown", "pointermove"]) panels[0].canvas.addEventListener(event, follow);
  for (const event of ["pointerup", "pointerleave"]) panels[0].canvas.addEventListener(event, () => model.save_changes());
  const positions = ["row", "column", "sheet", "head", "degrees", "mirror"].map((name) => `change:${name}`);
  for (const event of positions) model.on(event, draw);
  draw();
  return () => positions.forEach((event) => model.off(event, draw));
}

export default { render: followingThePage(render) };
