// Draws the kernel explorer: choose a pixel, see the kernel that it writes for each orientation, and what each of them
// gathers; turn the image, and they turn and travel. Kernels come as bytes, in the order (turn, sheet, k², Y, X).

const SHARES = { wide: { image: 0.29, ring: 0.335 }, narrow: { image: 0.6, ring: 0.48 } };

function render({ model, el }) {
  const setup = model.get("setup"), { size, window: k, layer } = setup, data = model.get("data"), sheets = layer.names.length;
  const [ink, signed] = [0, 256].map((begin) => colorsOf(asBytes(data.colors), begin));
  const kernels = asBytes(data.kernels), images = asBytes(data.images), reach = (k - 1) / 2;
  const range = (max, step) => control("input", { type: "range", min: 0, max, step });
  const [row, column, turn, mirror] = [range(size - 1, 1), range(size - 1, 1), range(270, 90), control("input", { type: "checkbox" })];
  const outputs = [row, column, turn].map(() => element("output"));
  const labels = [row, column, turn].map((input, i) => element("label", {}, ["row", "column", "turn"][i], input, outputs[i]));
  const mirrorLabel = element("label", {}, mirror, "mirror");
  mirrorLabel.hidden = setup.frames.length === 4;
  const [picture, written, gathered] = ["the image: point at a pixel", "the kernels that it writes", "what they gather"].map(makeStage);
  const stages = [picture, written, gathered];
  const figures = element("div", { class: "fme-panels fme-stages" }, ...stages.map((stage) => stage.figure));
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  el.append(element("div", { class: "fme" }, element("div", { class: "fme-controls fme-stay" }, ...labels, mirrorLabel), figures, status));
  picture.canvas.className = "fme-framed";
  picture.canvas.style.cssText = "cursor:crosshair;touch-action:none";

  let [from, to, width] = [null, null, 0];
  const glide = makeGlide(drawAll);

  // The pixel of the upright image, where the turn carries it: quarter turns counter-clockwise, then the mirror.
  function carry([y, x], { degrees, mirror: isMirrored }, back = false) {
    const turns = (back ? 4 - degrees / 90 : degrees / 90) % 4, reflect = ([a, b]) => [a, isMirrored ? size - 1 - b : b];
    let place = back ? reflect([y, x]) : [y, x];
    for (let i = 0; i < turns; i++) place = [size - 1 - place[1], place[0]];
    return back ? place : reflect(place);
  }

  function makeScene() {
    const frame = setup.frames.findIndex((f) => f.degrees === model.get("degrees") && f.mirror === model.get("mirror"));
    const numbers = setup.frames[frame], pixel = carry([model.get("row"), model.get("column")], numbers);
    const at = pixel[0] * size + pixel[1], image = images.subarray(frame * size * size, (frame + 1) * size * size);
    const weight = (sheet, i) => kernels[((frame * sheets + sheet) * k * k + i) * size * size + at] - 128; // in 127ths of the largest
    const seen = (i) => {
      const [y, x] = [pixel[0] + Math.floor(i / k) - reach, pixel[1] + (i % k) - reach];
      return y < 0 || x < 0 || y >= size || x >= size ? 0 : image[y * size + x] / 255;
    };
    const each = (make) => layer.names.map((_, sheet) => make(sheet)), shade = (value) => 128 + Math.round(Math.max(-127, Math.min(127, value)));
    return {
      layer, numbers, pixel, origins: numbers.origins, frame,
      image: bitmap(size, ink, (i) => image[i]),
      kernels: each((sheet) => bitmap(k, signed, (i) => shade(weight(sheet, i)))),
      products: each((sheet) => bitmap(k, signed, (i) => shade(weight(sheet, i) * seen(i)))),
      sums: each((sheet) => Array.from({ length: k * k }, (_, i) => (weight(sheet, i) * seen(i) * setup.largest) / 127).reduce((a, b) => a + b, 0)),
    };
  }

  const widthOf = (part) => Math.floor(SHARES[width < 700 ? "narrow" : "wide"][part] * width);

  function drawAll(t) {
    if (!to || !width) return;
    const moves = t < 1 ? motion(from, to) : null, scene = moves ? from : to, line = getComputedStyle(el).color;
    const { context, unit } = picture.begin(widthOf("image"), [0.5, 0.5]);
    context.save();
    if (moves) {
      context.scale(moves.flip(t), 1);
      context.rotate(-t * moves.angle);
    }
    context.drawImage(scene.image, -unit / 2, -unit / 2, unit, unit);
    const [y, x] = scene.pixel, side = (unit * k) / size;
    context.strokeStyle = MARK;
    context.lineWidth = 2.5 * (window.devicePixelRatio || 1);
    context.strokeRect(((x + 0.5) / size - 0.5) * unit - side / 2, ((y + 0.5) / size - 0.5) * unit - side / 2, side, side);
    context.restore();
    drawRing(written.begin(widthOf("ring"), layer.extent), layer, line, scene.kernels, scene.origins, moves, t);
    drawRing(gathered.begin(widthOf("ring"), layer.extent), layer, line, scene.products, scene.origins, moves, t);
  }

  function describe() {
    const { numbers, pixel, sums } = to, number = (value) => value.toFixed(2).replace("-", "−");
    [row.value, column.value, turn.value, mirror.checked] = [model.get("row"), model.get("column"), numbers.degrees, numbers.mirror];
    [row.value, column.value, `${numbers.degrees}°`].forEach((value, i) => (outputs[i].textContent = value));
    const all = layer.names.map((name, sheet) => `${name}: ${number(sums[sheet])}`).join(", ");
    const where = numbers.degrees || numbers.mirror ? ` Moved by ${numbers.name}, it is pixel (${pixel.join(", ")}), and each kernel has turned and gone to its new place.` : "";
    const text = `Pixel (${model.get("row")}, ${model.get("column")}).${where} Sums over the windows: ${all}.`;
    if (status.textContent !== text) status.textContent = text;
    stages.forEach(({ canvas, figure }) => canvas.setAttribute("aria-label", `${figure.firstChild.textContent}. ${text}`));
  }

  function update(isTurn) {
    if (!setup.frames.some((f) => f.degrees === model.get("degrees") && f.mirror === model.get("mirror"))) return;
    [from, to] = [to, makeScene()];
    describe();
    isTurn ? glide.begin() : glide.ask();
  }
  const onTurn = () => update(true), onPixel = () => update(false);

  function send(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }
  row.addEventListener("input", () => send({ row: Number(row.value) }));
  column.addEventListener("input", () => send({ column: Number(column.value) }));
  turn.addEventListener("input", () => send({ degrees: Number(turn.value) }));
  mirror.addEventListener("change", () => send({ mirror: mirror.checked }));
  const follow = (event) => {
    const box = picture.canvas.getBoundingClientRect(), cell = (share) => Math.min(size - 1, Math.max(0, Math.floor(size * share)));
    const [y, x] = carry([cell((event.clientY - box.top) / box.height), cell((event.clientX - box.left) / box.width)], to.numbers, true);
    model.set("row", y);
    model.set("column", x);
  };
  for (const event of ["pointerdown", "pointermove"]) picture.canvas.addEventListener(event, follow);
  for (const event of ["pointerup", "pointerleave"]) picture.canvas.addEventListener(event, () => model.save_changes());
  const events = { "change:degrees": onTurn, "change:mirror": onTurn, "change:row": onPixel, "change:column": onPixel };
  for (const [event, listener] of Object.entries(events)) model.on(event, listener);
  const unwatch = watchWidth(figures, (found) => {
    width = Math.min(1400, found);
    glide.ask();
  });
  update(false);
  return () => {
    unwatch();
    for (const [event, listener] of Object.entries(events)) model.off(event, listener);
  };
}

export default { render: followingThePage(render) };
