// Draws the explorer: a slider, selects, and the sheets on their ring, which glide from one position to the next; that
// motion is drawn, not computed. All numbers were computed in Python; the maps come as bytes, in the order (layer) (frame,
// channel, order, sheet, Y, X).

function statusText(setup, layer, channel, frame, error) {
  const parts = [`Turned by ${frame.degrees}°${frame.mirror ? ", then mirrored" : ""} (g = ${frame.name}).`];
  parts.push(`${layer.name}, channel ${layer.channels[channel]}: relative equivariance error ${errorText(error)}.`);
  if (frame.scores.includes(null)) parts.push("Prediction: not finite.");
  else if (frame.scores.length) {
    const best = frame.scores.indexOf(Math.max(...frame.scores));
    parts.push(`Prediction: ${best} (${Math.round(100 * frame.scores[best])} %).`);
  }
  const permuted = layer.sheets > 1 ? `, and sheets permuted as for ${frame.nearest}` : "";
  if (frame.degrees % 90) parts.push(`${frame.degrees}° is no quarter turn, so pixels are interpolated${permuted}.`);
  else if (!frame.element && permuted) parts.push(`${frame.name} is no element of ${setup.group}: sheets are permuted as for ${frame.nearest}.`);
  return parts.join(" ");
}

// One position as it is drawn: bitmaps of the input, of both orders and of their difference, and where each sheet came from.
function makeScene(model, setup, frame, [ink, signed]) {
  const data = model.get("data"), maps = asBytes(data.maps), images = asBytes(data.images), numbers = data.frames[frame];
  const index = model.get("layer"), layer = setup.layers[index], channel = Math.min(model.get("channel"), layer.channels.length - 1);
  const perChannel = (l) => 2 * l.sheets * l.size ** 2; // both orders
  const before = setup.layers.slice(0, index).reduce((sum, l) => sum + data.frames.length * l.channels.length * perChannel(l), 0);
  const start = before + (frame * layer.channels.length + channel) * perChannel(layer);
  const isSigned = data.signed[index][channel], begin = frame * setup.imageSize ** 2;
  const value = (order, sheet, i) => maps[start + (order * layer.sheets + sheet) * layer.size ** 2 + i];
  const sheets = (colors, valueAt) => layer.places.map((_, sheet) => bitmap(layer.size, colors, (i) => valueAt(sheet, i)));
  const own = images.subarray(3 * begin, 3 * (begin + setup.imageSize ** 2));
  const isGray = own.every((part, i) => part === own[i - (i % 3)]); // then it is drawn in ink, as everywhere
  const pixelAt = (i) => (isGray ? ink[own[3 * i]] : pixel(...own.subarray(3 * i, 3 * i + 3)));
  return {
    layer, channel, numbers, origins: numbers.origins[index], error: numbers.errors[index],
    orders: [0, 1].map((order) => sheets(isSigned ? signed : ink, (sheet, i) => value(order, sheet, i))),
    rest: sheets(ink, (sheet, i) => Math.abs(value(0, sheet, i) - value(1, sheet, i))),
    image: paint(setup.imageSize, pixelAt),
    share: (order, sheet, i) => (isSigned ? (value(order, sheet, i) - 127.5) / 127.5 : value(order, sheet, i) / 255),
  };
}

// With little room the rings come below the small pictures; a pair of rings is twice as wide, and takes the whole width.
const SHARES = { wide: { input: 0.13, ring: 0.255, rest: 0.255 }, narrow: { input: 0.22, ring: 0.475, rest: 0.22 }, tiny: { input: 0.3, ring: 0.98, rest: 0.6 } };

function render(widget) {
  const { model, el, on } = widget, setup = model.get("setup"), frames = model.get("data").frames, palettes = palettesOf(model);
  const { bars, show } = makeBars(frames[0].scores.length), channels = control("select"), order = element("span", { class: "fme-order" });
  const layers = control("select", {}, ...options(setup.layers.map((l) => `${l.name}  (${l.size} × ${l.size})`)));
  const controls = [
    bound(widget, "degrees", "turn", slider(360 - setup.step, setup.step), "°"), bound(widget, "mirror", "mirror", checkbox()),
    bound(widget, "layer", "layer", layers), bound(widget, "channel", "channel", channels),
  ];
  controls[1].hidden = !setup.mirrors;
  controls[3].append(order);
  const italic = (tag, letter) => element(tag, { class: "fme-math" }, letter), action = () => [italic("span", "L"), italic("sub", "g"), " "];
  const titles = ["turned input", ["turn, then compute: Φ(", ...action(), italic("span", "x"), ")"], ["compute, then turn: ", ...action(), "Φ(", italic("span", "x"), ")"], "difference"];
  let [from, to, probe] = [null, null, null];
  const page = layOut(widget, controls, titles, draw, "rings"), [input, first, second, rest] = page.stages;
  const probed = page.figures.parentElement.appendChild(element("p", { class: "fme-probe", "aria-live": "polite" }));
  const side = element("div", { class: "fme-side" }, input.figure, bars), gap = rest.figure.appendChild(element("p", { class: "fme-gap" }));
  const newRow = element("div", { class: "fme-new-row" });
  page.figures.prepend(side);
  page.figures.append(newRow);

  const isDouble = setup.layers.some((layer) => layer.sheets > 4); // a pair of rings
  const kind = () => (page.width < 1000 ? (isDouble ? "tiny" : "narrow") : isDouble ? "narrow" : "wide");
  const widthOf = (part) => Math.floor(SHARES[kind()][part] * page.width);

  function drawSheets(stage, order, moves, t) {
    const { layer } = to, drawing = stage.begin(widthOf("ring"), layer.extent), line = getComputedStyle(el).color;
    // Maps that are not equivariant have no place to glide to: turned first, they are at once what they are.
    const isGliding = moves && t < 1 && (order === 1 || Math.max(from.error ?? 1, to.error ?? 1) < 1e-3);
    const scene = isGliding ? from : to;
    drawRing(drawing, layer, line, scene.orders[order], scene.origins, isGliding ? moves : null, t);
    if (t < 1 || !probe) return;
    layer.places.forEach((place, sheet) => {
      if ((probe.sheet ?? sheet) === sheet) markPixel(drawing.context, place, drawing.unit, layer.size, probe.pixel);
    });
  }

  function drawRest(moves, t) {
    const { context, unit } = rest.begin(widthOf("rest"), to.layer.extent);
    if (to.layer.sheets > 1 && unit > 30 * (window.devicePixelRatio || 1)) drawNames(context, to.layer, unit, getComputedStyle(el).color);
    to.layer.places.forEach((place, sheet) => {
      drawSheet(context, to.rest[sheet], place, unit, 0, GRAY);
      context.globalAlpha = 1 - t;
      if (moves && t < 1) drawSheet(context, from.rest[sheet], place, unit, 0, GRAY);
      context.globalAlpha = 1;
    });
  }

  function drawInput(moves, t) {
    const { context, unit } = input.begin(widthOf("input"), [0.5, 0.5]), isGliding = moves && t < 1;
    drawSheet(context, isGliding ? from.image : to.image, [0, 0], unit, isGliding ? t * moves.angle : 0, GRAY, isGliding ? moves.flip(t) : 1);
    if (t === 1 && probe) markPixel(context, [0, 0], unit, to.layer.size, probe.pixel); // the middle of what the pixel sees
  }

  function draw(t) {
    const isWide = kind() === "wide";
    newRow.hidden = isWide;
    for (const node of [side, rest.figure, newRow]) node.style.order = isWide ? 0 : -1;
    side.style.flexDirection = isWide ? "column" : "row";
    const moves = motion(from, to);
    drawInput(moves, t);
    drawSheets(first, 0, moves, t);
    drawSheets(second, 1, moves, t);
    drawRest(moves, t);
    bars.style.width = `${Math.max(100, widthOf("input"))}px`;
  }

  function describeProbe() {
    if (!probe) {
      probed.textContent = `Point at a pixel to compare both orders (keys: arrows${to.layer.sheets > 1 ? "; Page Up and Down change the sheet" : ""}).`;
      return;
    }
    const { layer } = to, [row, column] = probe.pixel, i = row * layer.size + column, sheet = probe.sheet;
    const percent = (order) => `${Math.round(100 * to.share(order, sheet, i))} %`;
    const where = `${layer.sheets > 1 && sheet !== null ? `sheet ${layer.names[sheet]}, ` : ""}row ${row}, column ${column}`;
    const values = sheet === null ? "" : `: ${percent(0)} of the largest value if the input is turned first, ${percent(1)} if the maps are turned`;
    probed.textContent = `${where[0].toUpperCase()}${where.slice(1)}${values}.`;
  }

  function setProbe(next) {
    if (JSON.stringify(next) === JSON.stringify(probe)) return;
    probe = next;
    describeProbe();
    page.ask();
  }

  // The sheet and the pixel below the pointer; on the input a pixel of all sheets.
  function under(stage, event) {
    const box = stage.canvas.getBoundingClientRect(), { layer } = to, isInput = stage === input;
    const unit = box.width / (isInput ? 1 : 2 * layer.extent[0]), places = isInput ? [[0, 0]] : layer.places;
    const [x, y] = [(event.clientX - box.left - box.width / 2) / unit, -(event.clientY - box.top - box.height / 2) / unit];
    const sheet = places.findIndex(([u, v]) => Math.abs(x - u) < 0.5 && Math.abs(y - v) < 0.5);
    if (sheet < 0) return null;
    const [u, v] = places[sheet], cell = (share) => Math.min(layer.size - 1, Math.floor(layer.size * share));
    return { sheet: isInput ? null : sheet, pixel: [cell(0.5 - (y - v)), cell(x - u + 0.5)] };
  }

  function onKey(event) {
    const { size, sheets } = to.layer, last = probe ?? { sheet: 0, pixel: [size >> 1, size >> 1] }, jumps = { PageDown: 1, PageUp: -1 };
    if (event.key === "Escape") return setProbe(null);
    if (!(event.key in ARROWS) && !(event.key in jumps)) return;
    event.preventDefault();
    const pixel = last.pixel.map((at, axis) => Math.max(0, Math.min(size - 1, at + (ARROWS[event.key]?.[axis] ?? 0))));
    setProbe({ sheet: modulo((last.sheet ?? 0) + (jumps[event.key] ?? 0), sheets), pixel });
  }

  function update() {
    const frame = frameOf(model, frames);
    if (frame < 0) return; // an angle between the steps, set from Python
    [from, to] = [to, makeScene(model, setup, frame, palettes)];
    const { layer, channel, numbers, error } = to;
    if (from?.layer !== layer) {
      probe = null;
      order.textContent = layer.order;
      channels.replaceChildren(...options(layer.channels));
    }
    channels.value = channel;
    page.say(statusText(setup, layer, channel, numbers, error));
    show(numbers.scores);
    gap.textContent = `error: ${errorText(error)}`;
    describeProbe();
    motion(from, to) ? page.begin() : page.ask();
  }

  for (const stage of page.stages) {
    for (const event of ["pointerdown", "pointermove"]) stage.canvas.addEventListener(event, (e) => to && setProbe(under(stage, e)));
    stage.canvas.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && setProbe(null));
  }
  for (const { canvas } of [first, second]) listenToKeys(canvas, onKey);
  on(["degrees", "mirror", "layer", "channel"], update);
  update();
}

export default { render: followingThePage(render) };
