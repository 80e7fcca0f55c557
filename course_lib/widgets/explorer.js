// Draws the explorer: a slider, selects, and the sheets on their ring, which glide from one position to the next; that
// motion is drawn, not computed. All numbers were computed in Python; the maps come
// as bytes, in the order (layer) (frame, channel, order, sheet, Y, X). With `live` only the present frame is sent.

const NO_ANSWER = "No answer from the kernel. If it was restarted, run the cells again.";
const PATIENCE = 5000; // milliseconds; a busy kernel answers later, and its picture takes the place of these words

function makeControls(setup) {
  const slider = control("input", { type: "range", min: 0, max: 360 - setup.step, step: setup.step });
  const angle = element("output");
  const mirror = control("input", { type: "checkbox" });
  const layer = control("select");
  setup.layers.forEach((l, i) => layer.append(element("option", { value: i }, `${l.name}  (${l.size} × ${l.size})`)));
  const channel = control("select"), order = element("span", { class: "fme-order" });
  const mirrorLabel = element("label", {}, mirror, "mirror");
  mirrorLabel.hidden = !setup.mirrors;
  const box = element("div", { class: "fme-controls fme-stay" },
    element("label", {}, "turn", slider, angle), mirrorLabel,
    element("label", {}, "layer", layer), element("label", {}, "channel", channel, order));
  return { box, slider, angle, mirror, layer, channel, order };
}

function makeBars(classes) {
  const bars = element("div", { class: "fme-bars", "aria-hidden": "true" });
  for (const name of classes) bars.append(element("div", {}, element("i"), name));
  bars.hidden = classes.length === 0 || classes.length > 20;
  return bars;
}

function statusText(setup, layer, channel, frame, error) {
  const parts = [`Turned by ${frame.degrees}°${frame.mirror ? ", then mirrored" : ""} (g = ${frame.name}).`];
  parts.push(`${layer.name}, channel ${layer.channels[channel]}: relative equivariance error ${errorText(error)}.`);
  if (frame.scores.includes(null)) parts.push("Prediction: not finite.");
  else if (frame.scores.length) {
    const best = frame.scores.indexOf(Math.max(...frame.scores));
    parts.push(`Prediction: ${setup.classes[best]} (${Math.round(100 * frame.scores[best])} %).`);
  }
  const permuted = layer.sheets > 1 ? `, and sheets permuted as for ${frame.nearest}` : "";
  if (frame.degrees % 90) parts.push(`${frame.degrees}° is no quarter turn, so pixels are interpolated${permuted}.`);
  else if (!frame.element && permuted) parts.push(`${frame.name} is no element of ${setup.group}: sheets are permuted as for ${frame.nearest}.`);
  return parts.join(" ");
}

// Where the maps of one frame, layer and channel begin, and how the two orders lie there.
function mapsOf(model, setup) {
  const data = model.get("data");
  if (setup.live) {
    return { data, layer: setup.layers[data.layer], index: data.layer, channel: Math.min(data.channel, setup.layers[data.layer].channels.length - 1), frame: 0, start: 0 };
  }
  const index = model.get("layer"), layer = setup.layers[index], channel = Math.min(model.get("channel"), layer.channels.length - 1);
  const frame = data.frames.findIndex((f) => f.degrees === model.get("degrees") && f.mirror === model.get("mirror"));
  const perChannel = (l) => 2 * l.sheets * l.size ** 2; // both orders
  const before = setup.layers.slice(0, index).reduce((sum, l) => sum + data.frames.length * l.channels.length * perChannel(l), 0);
  return { data, layer, index, channel, frame, start: before + (frame * layer.channels.length + channel) * perChannel(layer) };
}

// One position as it is drawn: bitmaps of the input, of both orders and of their difference, and where each sheet came from.
function makeScene(shown, setup, [ink, signed]) {
  const { data, layer, index, channel, frame, start } = shown, maps = asBytes(data.maps), images = asBytes(data.images);
  const area = layer.size ** 2, isSigned = (setup.live ? data.signed[0][0] : data.signed[index][channel]);
  const value = (order, sheet, i) => maps[start + (order * layer.sheets + sheet) * area + i];
  const sheets = (make) => layer.places.map((_, sheet) => make(sheet));
  const bitmaps = (order) => sheets((sheet) => bitmap(layer.size, isSigned ? signed : ink, (i) => value(order, sheet, i)));
  const begin = frame * setup.imageSize ** 2, numbers = data.frames[frame];
  const own = images.subarray(3 * begin, 3 * (begin + setup.imageSize ** 2));
  const isGray = own.every((part, i) => part === own[i - (i % 3)]); // then it is drawn in ink, as everywhere
  const pixelAt = (i) => (isGray ? ink[own[3 * i]] : pixel(...own.subarray(3 * i, 3 * i + 3)));
  return {
    ...shown, numbers, origins: numbers.origins[index], error: numbers.errors[index],
    orders: [bitmaps(0), bitmaps(1)],
    rest: sheets((sheet) => bitmap(layer.size, ink, (i) => Math.abs(value(0, sheet, i) - value(1, sheet, i)))),
    image: paint(document.createElement("canvas"), setup.imageSize, pixelAt),
    share: (order, sheet, i) => (isSigned ? (value(order, sheet, i) - 127.5) / 127.5 : value(order, sheet, i) / 255),
  };
}

// With little room the rings come below the small pictures, and take the whole width where there are two in one another.
const SHARES = { wide: { input: 0.13, ring: 0.275, rest: 0.275 }, narrow: { input: 0.22, ring: 0.49, rest: 0.3 }, tiny: { input: 0.3, ring: 0.98, rest: 0.6 } };

function render({ model, el }) {
  const setup = model.get("setup"), bytes = asBytes(model.get("colors"));
  const palettes = [colorsOf(bytes), colorsOf(bytes, 256)]; // ink; and for maps with a sign, from blue over white to red
  const controls = makeControls(setup), bars = makeBars(setup.classes);
  const italic = (tag, letter) => element(tag, { class: "fme-math" }, letter), action = () => [italic("span", "L"), italic("sub", "g"), " "];
  const titles = ["turned input", ["turn, then compute: Φ(", ...action(), italic("span", "x"), ")"], ["compute, then turn: ", ...action(), "Φ(", italic("span", "x"), ")"], "difference"];
  const [input, first, second, rest] = titles.map(makeStage);
  const stages = [input, first, second, rest];
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  const probed = element("p", { class: "fme-probe", "aria-live": "polite" });
  const gap = element("p", { class: "fme-gap" }), side = element("div", { class: "fme-side" }, input.figure, bars);
  rest.figure.append(gap);
  const figures = element("div", { class: "fme-panels fme-stages" }, side, first.figure, second.figure, rest.figure);
  el.append(element("div", { class: "fme" }, controls.box, figures, status, probed));

  let [from, to, probe, width] = [null, null, null, 0];
  const glide = makeGlide(drawAll);

  const isDouble = setup.layers.some((layer) => layer.sheets > 4); // two rings in one another need more room
  const kind = () => (width >= (isDouble ? 1200 : 1000) ? "wide" : isDouble && width < 480 ? "tiny" : "narrow");
  const widthOf = (part) => Math.floor(SHARES[kind()][part] * width);

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
    if (to.layer.sheets > 1) drawNames(context, to.layer, unit, getComputedStyle(el).color);
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

  function drawAll(t) {
    if (!to || !width) return;
    const isWide = kind() === "wide";
    for (const node of [side, rest.figure]) node.style.order = isWide ? 0 : -1;
    side.style.flexDirection = isWide ? "column" : "row";
    const moves = motion(from, to);
    drawInput(moves, t);
    drawSheets(first, 0, moves, t);
    drawSheets(second, 1, moves, t);
    drawRest(moves, t);
    bars.style.width = `${Math.max(100, widthOf("input"))}px`;
  }

  function describe() {
    const { layer, channel, numbers, error } = to, text = statusText(setup, layer, channel, numbers, error);
    if (status.textContent !== text) status.textContent = text;
    gap.textContent = `error: ${errorText(error)}`;
    stages.forEach((stage) => stage.canvas.setAttribute("aria-label", `${stage.figure.firstChild.textContent}. ${text}`));
    const best = numbers.scores.indexOf(Math.max(...numbers.scores));
    numbers.scores.forEach((score, i) => {
      bars.children[i].className = i === best ? "fme-best" : "";
      bars.children[i].firstChild.style.height = `${65 * score}px`;
    });
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
    glide.ask();
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
    const { size, sheets } = to.layer, last = probe ?? { sheet: 0, pixel: [size >> 1, size >> 1] };
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, jumps = { PageDown: 1, PageUp: -1 };
    if (event.key === "Escape") return setProbe(null);
    if (!(event.key in steps) && !(event.key in jumps)) return;
    event.preventDefault();
    const pixel = last.pixel.map((at, axis) => Math.max(0, Math.min(size - 1, at + (steps[event.key]?.[axis] ?? 0))));
    setProbe({ sheet: modulo((last.sheet ?? 0) + (jumps[event.key] ?? 0), sheets), pixel });
  }

  function syncControls() {
    const degrees = model.get("degrees"), layer = setup.layers[model.get("layer")];
    controls.slider.value = degrees;
    controls.slider.setAttribute("aria-valuetext", `${degrees} degrees`);
    controls.angle.textContent = `${degrees}°`;
    controls.mirror.checked = model.get("mirror");
    controls.layer.value = model.get("layer");
    if (controls.channel.dataset.layer !== layer.name) {
      controls.channel.replaceChildren(...layer.channels.map((channel, i) => element("option", { value: i }, String(channel))));
      controls.channel.dataset.layer = layer.name;
      controls.order.textContent = layer.order;
    }
    controls.channel.value = Math.min(model.get("channel"), layer.channels.length - 1);
  }

  function update() {
    syncControls();
    const shown = mapsOf(model, setup);
    if (shown.frame < 0) return; // an angle between the steps, set from Python
    [from, to] = [to, makeScene(shown, setup, palettes)];
    if (from?.layer !== to.layer) probe = null;
    describe();
    describeProbe();
    motion(from, to) ? glide.begin() : glide.ask();
  }

  let waiting;
  function send(name, value) {
    model.set(name, value);
    model.save_changes();
    clearTimeout(waiting);
    if (setup.live) waiting = setTimeout(() => (status.textContent = NO_ANSWER), PATIENCE);
  }
  function answer() {
    clearTimeout(waiting);
    update();
  }
  controls.slider.addEventListener("input", () => send("degrees", Number(controls.slider.value)));
  controls.mirror.addEventListener("change", () => send("mirror", controls.mirror.checked));
  controls.layer.addEventListener("change", () => send("layer", Number(controls.layer.value)));
  controls.channel.addEventListener("change", () => send("channel", Number(controls.channel.value)));
  for (const stage of stages) {
    for (const event of ["pointerdown", "pointermove"]) stage.canvas.addEventListener(event, (e) => to && setProbe(under(stage, e)));
    stage.canvas.addEventListener("pointerleave", (e) => e.pointerType === "mouse" && setProbe(null));
  }
  for (const { canvas } of [first, second]) {
    canvas.tabIndex = 0;
    canvas.dataset.lmSuppressShortcuts = "true";
    canvas.addEventListener("keydown", onKey);
  }
  // Live, the picture follows the data, which the kernel sends after the position.
  const positions = ["degrees", "mirror", "layer", "channel"].map((name) => `change:${name}`);
  for (const event of positions) model.on(event, setup.live ? syncControls : update);
  model.on("change:data", answer);
  const unwatch = watchWidth(figures, (found) => {
    width = Math.min(1400, found);
    glide.ask();
  });
  update();
  return () => {
    unwatch();
    for (const event of positions) model.off(event, setup.live ? syncControls : update);
    model.off("change:data", answer);
  };
}

export default { render: followingThePage(render) };
