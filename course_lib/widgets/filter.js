// Filter and image turn together: beside a filter that turns with the picture, one that stays as it is. The numbers were
// computed in Python for each quarter turn; between two of them only the drawing moves.

const SIGNS = { plus: "rgba(200, 72, 63, 0.45)", minus: "rgba(58, 121, 184, 0.45)" };

function render({ model, el }) {
  const setup = model.get("setup"), { imageSize: size, filterSize: k } = setup;
  const palette = colorsOf(asBytes(model.get("colors"))), values = asBytes(model.get("picture"));
  const picture = bitmap(size, palette, (i) => values[i]);
  const slider = control("input", { type: "range", min: 0, max: 270, step: 90, "aria-label": "turn the picture" });
  const angle = element("output");
  const titles = ["before the turn", "the filter turns, too", "what it sees", "the filter stays", "what it sees"];
  const [upright, together, seen, apart, other] = titles.map(makeStage);
  const stages = [upright, together, seen, apart, other];
  const numbers = [upright, seen, other].map(({ figure }) => figure.appendChild(element("p", { class: "fme-number" })));
  const figures = element("div", { class: "fme-panels fme-stages" }, ...stages.map((stage) => stage.figure));
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  el.append(element("div", { class: "fme" }, element("div", { class: "fme-controls fme-stay" }, element("label", {}, "turn", slider, angle)), figures, status));

  let [width, from, to] = [0, 0, model.get("degrees")];
  const glide = makeGlide(drawAll);
  const middle = () => [(model.get("column") + 0.5) / size - 0.5, 0.5 - (model.get("row") + 0.5) / size];
  const turned = ([x, y], radians) => [x * Math.cos(radians) - y * Math.sin(radians), x * Math.sin(radians) + y * Math.cos(radians)];

  // The frame of the filter, and its weights: in the picture as tints; enlarged, as upright numbers on chips, so that the
  // pixels that they multiply keep their color.
  function drawFilter(context, side, color, turn) {
    const cell = side / k, isLarge = cell > 24 * (window.devicePixelRatio || 1);
    setup.filter.forEach((weight, i) => {
      context.save();
      context.translate(((i % k) + 0.5) * cell - side / 2, (Math.floor(i / k) + 0.5) * cell - side / 2);
      context.fillStyle = isLarge ? `rgb(${onPage(255, 255, 255)})` : weight > 0 ? SIGNS.plus : SIGNS.minus;
      const half = isLarge ? 0.3 * cell : weight ? cell / 2 : 0;
      context.fillRect(-half, -half, 2 * half, 2 * half);
      context.rotate(turn);
      [context.font, context.textAlign, context.textBaseline] = [`bold ${0.36 * cell}px system-ui, sans-serif`, "center", "middle"];
      context.fillStyle = `rgb(${onPage(...(weight > 0 ? [154, 40, 36] : weight ? [30, 84, 142] : [80, 80, 80]))})`;
      if (isLarge) context.fillText(`${weight > 0 ? "+" : ""}${Number(weight.toFixed(1))}`.replace("-", "−"), 0, 0);
      context.restore();
    });
    context.strokeStyle = color;
    context.lineWidth = Math.max(3, side / 30);
    context.strokeRect(-side / 2, -side / 2, side, side);
  }

  function drawPicture(stage, part, radians, filterTurn, color) {
    const { context, unit } = stage.begin(widthOf(part), [0.5, 0.5]), [x, y] = turned(middle(), radians);
    context.save();
    context.rotate(-radians);
    context.drawImage(picture, -unit / 2, -unit / 2, unit, unit);
    context.restore();
    context.translate(x * unit, -y * unit);
    context.rotate(-filterTurn);
    drawFilter(context, (unit * k) / size, color, filterTurn);
  }

  // The neighborhood of the pixel, drawn large as it lies in the picture: turned, and under a filter that is turned or not.
  function drawWindow(stage, radians, filterTurn, color) {
    const { context, unit } = stage.begin(widthOf("window"), [0.5, 0.5]), side = 0.96 * unit, scale = (side / k) * size, [x, y] = middle();
    context.rotate(-filterTurn);
    context.save();
    context.beginPath();
    context.rect(-side / 2, -side / 2, side, side);
    context.clip();
    context.rotate(filterTurn - radians);
    context.drawImage(picture, -scale / 2 - x * scale, -scale / 2 + y * scale, scale, scale);
    context.restore();
    drawFilter(context, side, color, filterTurn);
  }

  const SHARES = { upright: 0.16, picture: 0.22, window: 0.15 };
  const widthOf = (part) => Math.floor(SHARES[part] * (width < 560 ? 2.4 : 1) * width);

  function drawAll(t) {
    if (!width) return;
    const radians = ((from + t * (modulo(to - from + 179, 360) - 179)) * Math.PI) / 180, [e] = setup.colors;
    drawPicture(upright, "upright", 0, 0, e);
    drawPicture(together, "picture", radians, radians, setup.colors[to / 90]);
    drawWindow(seen, radians, radians, setup.colors[to / 90]);
    drawPicture(apart, "picture", radians, 0, e);
    drawWindow(other, radians, 0, e);
  }

  function describe() {
    const at = model.get("row") * size + model.get("column"), turn = to / 90, name = setup.names[turn];
    const [first, follows, stays] = [setup.together[0][at], setup.together[turn][at], setup.apart[turn][at]].map((value) => value.toFixed(2).replace("-", "−"));
    slider.value = to;
    slider.setAttribute("aria-valuetext", `${to} degrees`);
    angle.textContent = `${to}°`;
    numbers[0].textContent = `filter e: ${first}`;
    numbers[1].textContent = `filter ${name}: ${follows}`;
    numbers[2].textContent = `filter e: ${stays}`;
    const before = `At row ${model.get("row")}, column ${model.get("column")} of the picture, filter e answers ${first}.`;
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
    const [x, y] = turned([(event.clientX - box.left) / box.width - 0.5, 0.5 - (event.clientY - box.top) / box.height], event.currentTarget === upright.canvas ? 0 : (-to * Math.PI) / 180);
    choose(Math.floor((0.5 - y) * size), Math.floor((0.5 + x) * size));
  }
  function onKey(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(model.get("row") + step[0], model.get("column") + step[1]);
    model.save_changes();
  }
  for (const { canvas } of [upright, together, apart]) {
    canvas.tabIndex = 0;
    canvas.className = "fme-framed";
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
