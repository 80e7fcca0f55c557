// Filter and image turn together: beside a filter that turns with the picture, one that stays as it is. The numbers were
// computed in Python for each quarter turn; between two of them only the drawing moves.

const SIGNS = { plus: "rgba(200, 72, 63, 0.45)", minus: "rgba(58, 121, 184, 0.45)" };

function render({ model, el }) {
  const setup = model.get("setup"), { imageSize: size, filterSize: k } = setup;
  const palette = colorsOf(asBytes(model.get("colors"))), values = asBytes(model.get("picture"));
  const picture = bitmap(size, palette, (i) => values[i]);
  const slider = control("input", { type: "range", min: 0, max: 270, step: 90, "aria-label": "turn the picture" });
  const angle = element("output");
  const titles = ["the filter turns, too", "what it sees", "the filter stays", "what it sees"];
  const [together, seen, apart, other] = titles.map(makeStage);
  const stages = [together, seen, apart, other];
  const numbers = [seen, other].map(({ figure }) => figure.appendChild(element("p", { class: "fme-number" })));
  const figures = element("div", { class: "fme-panels fme-stages" }, ...stages.map((stage) => stage.figure));
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  el.append(element("div", { class: "fme" }, element("div", { class: "fme-controls fme-stay" }, element("label", {}, "turn", slider, angle)), figures, status));

  let [width, from, to] = [0, 0, model.get("degrees")];
  const glide = makeGlide(drawAll);
  const middle = () => [(model.get("column") + 0.5) / size - 0.5, 0.5 - (model.get("row") + 0.5) / size];
  const turned = ([x, y], radians) => [x * Math.cos(radians) - y * Math.sin(radians), x * Math.sin(radians) + y * Math.cos(radians)];

  // The weights over the pixels that they multiply, and the frame of the filter.
  function drawFilter(context, side, color) {
    setup.filter.forEach((weight, i) => {
      const [row, column] = [Math.floor(i / k), i % k], cell = side / k;
      context.fillStyle = weight > 0 ? SIGNS.plus : SIGNS.minus;
      if (weight) context.fillRect(-side / 2 + column * cell, -side / 2 + row * cell, cell, cell);
      if (cell < 24) return; // no room for numbers
      const text = `${weight > 0 ? "+" : ""}${Number(weight.toFixed(1))}`.replace("-", "−"), place = [-side / 2 + (column + 0.5) * cell, -side / 2 + (row + 0.5) * cell];
      [context.font, context.textAlign, context.textBaseline] = [`bold ${0.32 * cell}px system-ui, sans-serif`, "center", "middle"];
      [context.lineWidth, context.strokeStyle, context.fillStyle] = [0.07 * cell, "white", "black"];
      context.strokeText(text, ...place);
      context.fillText(text, ...place);
    });
    context.strokeStyle = color;
    context.lineWidth = Math.max(3, side / 30);
    context.strokeRect(-side / 2, -side / 2, side, side);
  }

  function drawPicture(stage, radians, filterTurn, color) {
    const { context, unit } = stage.begin(widthOf("picture"), [0.5, 0.5]), [x, y] = turned(middle(), radians);
    context.save();
    context.rotate(-radians);
    context.drawImage(picture, -unit / 2, -unit / 2, unit, unit);
    context.restore();
    context.translate(x * unit, -y * unit);
    context.rotate(-filterTurn);
    drawFilter(context, (unit * k) / size, color);
  }

  // The neighborhood of the pixel, drawn large; ``radians`` is how far it is turned in the frame of the filter.
  function drawWindow(stage, radians, color) {
    const { context, unit } = stage.begin(widthOf("window"), [0.5, 0.5]), side = 0.96 * unit, scale = (side / k) * size, [x, y] = middle();
    context.save();
    context.beginPath();
    context.rect(-side / 2, -side / 2, side, side);
    context.clip();
    context.rotate(-radians);
    context.drawImage(picture, -scale / 2 - x * scale, -scale / 2 + y * scale, scale, scale);
    context.restore();
    drawFilter(context, side, color);
  }

  const widthOf = (part) => Math.floor((part === "picture" ? 0.3 : 0.18) * (width < 560 ? 1.95 : 1) * width);

  function drawAll(t) {
    if (!width) return;
    const radians = ((from + t * (modulo(to - from + 179, 360) - 179)) * Math.PI) / 180, [e] = setup.colors;
    drawPicture(together, radians, radians, setup.colors[to / 90]);
    drawWindow(seen, 0, setup.colors[to / 90]);
    drawPicture(apart, radians, 0, e);
    drawWindow(other, radians, e);
  }

  function describe() {
    const at = model.get("row") * size + model.get("column"), turn = to / 90, name = setup.names[turn];
    const [upright, follows, stays] = [setup.together[0][at], setup.together[turn][at], setup.apart[turn][at]].map((value) => value.toFixed(2).replace("-", "−"));
    slider.value = to;
    slider.setAttribute("aria-valuetext", `${to} degrees`);
    angle.textContent = `${to}°`;
    numbers[0].textContent = `filter ${name}: ${follows}`;
    numbers[1].textContent = `filter e: ${stays}`;
    const before = `At row ${model.get("row")}, column ${model.get("column")} of the picture, filter e answers ${upright}.`;
    const text = to ? `${before} Where this pixel is after the turn by ${to}°, filter ${name} answers ${follows}, and filter e answers ${stays}.` : before;
    if (status.textContent !== text) status.textContent = text;
    stages.forEach(({ canvas, figure }) => canvas.setAttribute("aria-label", `${figure.firstChild.textContent}. ${text}`));
  }

  function choose(row, column) {
    const inside = (value) => Math.max(setup.margin, Math.min(size - 1 - setup.margin, value));
    model.set("row", inside(row));
    model.set("column", inside(column));
  }
  function follow(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = turned([(event.clientX - box.left) / box.width - 0.5, 0.5 - (event.clientY - box.top) / box.height], (-to * Math.PI) / 180);
    choose(Math.floor((0.5 - y) * size), Math.floor((0.5 + x) * size));
  }
  function onKey(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(model.get("row") + step[0], model.get("column") + step[1]);
    model.save_changes();
  }
  for (const { canvas } of [together, apart]) {
    canvas.tabIndex = 0;
    canvas.dataset.lmSuppressShortcuts = "true";
    canvas.style.cssText = "cursor:crosshair;touch-action:none";
    canvas.addEventListener("keydown", onKey);
    for (const event of ["pointerdown", "pointermove"]) canvas.addEventListener(event, follow);
    for (const event of ["pointerup", "pointerleave"]) canvas.addEventListener(event, () => model.save_changes());
  }
  slider.addEventListener("input", () => {
    model.set("degrees", Number(slider.value));
    model.save_changes();
  });
  const onTurn = () => {
    [from, to] = [to, model.get("degrees")];
    describe();
    glide.begin();
  };
  const onPixel = () => {
    describe();
    glide.ask();
  };
  model.on("change:degrees", onTurn);
  for (const event of ["change:row", "change:column"]) model.on(event, onPixel);
  const unwatch = watchWidth(figures, (found) => {
    width = Math.min(1400, found);
    glide.ask();
  });
  describe();
  return () => {
    unwatch();
    model.off("change:degrees", onTurn);
    for (const event of ["change:row", "change:column"]) model.off(event, onPixel);
  };
}

export default { render: followingThePage(render) };
