// Draws the explorer: a slider, selects, and the sheets on their ring. All numbers were computed in Python; the maps come
// as bytes, in the order (layer) (frame, channel, order, sheet, Y, X). With `live` only the present frame is sent.

const NO_ANSWER = "No answer from the kernel. If it was restarted, run the cells again.";
const PATIENCE = 5000; // milliseconds; a busy kernel answers later, and its picture takes the place of these words

function makeControls(setup) {
  const slider = control("input", { type: "range", min: 0, max: 360 - setup.step, step: setup.step });
  const angle = element("output");
  const mirror = control("input", { type: "checkbox" });
  const layer = control("select");
  setup.layers.forEach((l, i) => layer.append(element("option", { value: i }, `${l.name}  (${l.size} × ${l.size})`)));
  const channel = control("select");
  const mirrorLabel = element("label", {}, mirror, "mirror");
  mirrorLabel.hidden = !setup.mirrors;
  const box = element("div", { class: "fme-controls" },
    element("label", {}, "turn", slider, angle), mirrorLabel,
    element("label", {}, "layer", layer), element("label", {}, "channel", channel));
  return { box, slider, angle, mirror, layer, channel };
}

function makeBars(classes) {
  const bars = element("div", { class: "fme-bars", "aria-hidden": "true" });
  for (const name of classes) bars.append(element("div", {}, element("i"), name));
  bars.hidden = classes.length === 0 || classes.length > 20;
  return bars;
}

function drawArrow(context, points, mirror, color, unit) {
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = Math.max(1.5, unit * 0.03);
  context.setLineDash(mirror ? [unit * 0.1, unit * 0.07] : []);
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
  context.setLineDash([]);
  const head = ([x, y], [fromX, fromY]) => {
    const angle = Math.atan2(y - fromY, x - fromX), length = unit * 0.14;
    context.beginPath();
    context.moveTo(x, y);
    for (const side of [-0.45, 0.45]) context.lineTo(x - length * Math.cos(angle + side), y - length * Math.sin(angle + side));
    context.fill();
  };
  head(points.at(-1), points.at(-2));
  if (mirror) head(points[0], points[1]);
}

function drawRing(canvas, layer, scratch, pixelsOf, ink) {
  const context = canvas.getContext("2d");
  const unit = canvas.width / (2 * Math.max(...layer.extent) + 0.1);
  const place = ([x, y]) => [canvas.width / 2 + x * unit, canvas.height / 2 - y * unit];
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  for (const { points, mirror } of layer.arrows) {
    drawArrow(context, points.map(place), mirror, ink, unit);
  }
  const ratio = window.devicePixelRatio || 1, font = ratio * Math.min(13, Math.max(9, (0.2 * unit) / ratio));
  context.font = `${font}px sans-serif`;
  layer.places.forEach((center, sheet) => {
    const [x, y] = place(center), name = layer.names[sheet];
    context.drawImage(paint(scratch, layer.size, pixelsOf(sheet)), x - unit / 2, y - unit / 2, unit, unit);
    context.lineWidth = Math.max(2 * ratio, 0.035 * unit);
    context.strokeStyle = layer.colors[sheet];
    context.strokeRect(x - unit / 2, y - unit / 2, unit, unit);
    if (!name) return;
    context.fillStyle = "rgba(255, 255, 255, 0.85)";
    context.fillRect(x - unit / 2, y - unit / 2, context.measureText(name).width + 0.6 * font, 1.35 * font);
    context.fillStyle = "black";
    context.fillText(name, x - unit / 2 + 0.3 * font, y - unit / 2 + font);
  });
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
  if (frame.degrees % 90) parts.push(`${frame.degrees}° is no quarter turn: L_g is not defined, pixels are interpolated${permuted}.`);
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

function render({ model, el }) {
  const setup = model.get("setup"), colors = asBytes(model.get("colors"));
  // From white to ink; and for maps with a sign, from blue over white, at zero, to red.
  const [ink, signed] = [0, 256].map((begin) => Int32Array.from({ length: 256 }, (_, i) => pixel(...colors.slice(3 * (begin + i), 3 * (begin + i) + 3))));
  const controls = makeControls(setup), bars = makeBars(setup.classes);
  const input = makePanel("turned input", 130);
  const [first, second] = [makePanel("turn, then compute: Φ(L_g x)", 270), makePanel("compute, then turn: L_g Φ(x)", 270)];
  const difference = makePanel("|difference|", 190);
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  const panels = [input, first, second, difference];
  input.figure.append(bars);
  el.append(element("div", { class: "fme" }, controls.box, element("div", { class: "fme-panels" }, ...panels.map((p) => p.figure)), status));
  const scratch = document.createElement("canvas");

  function drawMaps({ data, layer, index, channel, start }) {
    const maps = asBytes(data.maps), sheetSize = layer.size ** 2, orderSize = layer.sheets * sheetSize;
    const line = getComputedStyle(el).color, palette = (setup.live ? data.signed[0][0] : data.signed[index][channel]) ? signed : ink;
    [first, second].forEach((panel, order) => drawRing(panel.canvas, layer, scratch, (sheet) => {
      const at = start + order * orderSize + sheet * sheetSize;
      return (i) => palette[maps[at + i]];
    }, line));
    drawRing(difference.canvas, { ...layer, arrows: [], names: layer.names.map(() => "") }, scratch, (sheet) => {
      const at = start + sheet * sheetSize;
      return (i) => ink[Math.abs(maps[at + i] - maps[at + orderSize + i])];
    }, line);
  }

  function drawInput({ data, frame }) {
    const size = setup.imageSize, bytes = asBytes(data.images), start = frame * size * size * 3;
    const context = input.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const pixelAt = (i) => pixel(bytes[start + 3 * i], bytes[start + 3 * i + 1], bytes[start + 3 * i + 2]);
    context.drawImage(paint(scratch, size, pixelAt), 0, 0, input.canvas.width, input.canvas.height);
  }

  function describe({ data, layer, index, channel, frame }) {
    const numbers = data.frames[frame], text = statusText(setup, layer, channel, numbers, numbers.errors[index]);
    if (status.textContent !== text) status.textContent = text;
    panels.forEach((panel) => panel.canvas.setAttribute("aria-label", `${panel.figure.firstChild.textContent}. ${text}`));
    const best = numbers.scores.indexOf(Math.max(...numbers.scores));
    numbers.scores.forEach((score, i) => {
      bars.children[i].className = i === best ? "fme-best" : "";
      bars.children[i].firstChild.style.height = `${65 * score}px`;
    });
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
    }
    controls.channel.value = Math.min(model.get("channel"), layer.channels.length - 1);
  }

  function draw() {
    syncControls();
    const shown = mapsOf(model, setup);
    if (shown.frame < 0) return; // an angle between the steps, set from Python
    drawInput(shown);
    drawMaps(shown);
    describe(shown);
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
    draw();
  }
  controls.slider.addEventListener("input", () => send("degrees", Number(controls.slider.value)));
  controls.mirror.addEventListener("change", () => send("mirror", controls.mirror.checked));
  controls.layer.addEventListener("change", () => send("layer", Number(controls.layer.value)));
  controls.channel.addEventListener("change", () => send("channel", Number(controls.channel.value)));
  // Live, the picture follows the data, which the kernel sends after the position.
  const positions = ["degrees", "mirror", "layer", "channel"].map((name) => `change:${name}`);
  for (const event of positions) model.on(event, setup.live ? syncControls : draw);
  model.on("change:data", answer);
  requestAnimationFrame(draw); // after the element is in the page, whose text color tells a dark theme
  return () => {
    for (const event of positions) model.off(event, setup.live ? syncControls : draw);
    model.off("change:data", answer);
  };
}

export default { render };
