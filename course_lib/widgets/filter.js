// Filter and image turn together: beside a filter that turns with the picture, one that stays as it is. The numbers were
// computed in Python for each quarter turn; between two of them only the drawing moves.

const SIGNS = { plus: "rgba(200, 72, 63, 0.45)", minus: "rgba(58, 121, 184, 0.45)" };

function render(widget) {
  const { model, on } = widget, setup = model.get("setup"), { imageSize: size, filterSize: k, frameColors } = setup;
  const [ink] = palettesOf(model), values = asBytes(model.get("picture")), picture = bitmap(size, ink, (i) => values[i]);
  const turn = slider(270, 90);
  turn.setAttribute("aria-label", "turn the picture");
  let [from, to] = [0, model.get("degrees")];
  const titles = ["before the turn", "the filter turns, too", "what it sees", "the filter stays", "what it sees"];
  const page = layOut(widget, [bound(widget, "degrees", "turn", turn, "°")], titles, draw);
  const [upright, together, seen, apart, other] = page.stages;
  const numbers = [upright, seen, other].map(({ figure }) => figure.appendChild(element("p", { class: "fme-number" })));

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

  const widthOf = (share) => Math.floor(share * (page.width < 560 ? 2.4 : 1) * page.width);
  const middle = () => [(model.get("column") + 0.5) / size - 0.5, 0.5 - (model.get("row") + 0.5) / size];

  // The picture and the filter, both turned by so many radians.
  function drawPicture(stage, share, radians, filterTurn, color) {
    const { context, unit } = stage.begin(widthOf(share), [0.5, 0.5]), [x, y] = middle();
    context.rotate(-radians);
    context.drawImage(picture, -unit / 2, -unit / 2, unit, unit);
    context.translate(x * unit, -y * unit);
    context.rotate(radians - filterTurn);
    drawFilter(context, (unit * k) / size, color, filterTurn);
  }

  // The neighborhood of the pixel, drawn large as it lies in the picture: turned, and under a filter that is turned or not.
  function drawWindow(stage, radians, filterTurn, color) {
    const { context, unit } = stage.begin(widthOf(0.15), [0.5, 0.5]), side = 0.96 * unit, scale = (side / k) * size, [x, y] = middle();
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

  function draw(t) {
    const radians = ((from + t * (modulo(to - from + 179, 360) - 179)) * Math.PI) / 180;
    drawPicture(upright, 0.2, 0, 0, frameColors[0]);
    drawPicture(together, 0.2, radians, radians, frameColors[to / 90]);
    drawWindow(seen, radians, radians, frameColors[to / 90]);
    drawPicture(apart, 0.2, radians, 0, frameColors[0]);
    drawWindow(other, radians, 0, frameColors[0]);
  }

  function describe() {
    const [row, column] = [model.get("row"), model.get("column")], at = row * size + column, quarter = to / 90, name = setup.names[quarter];
    const [first, follows, stays] = [setup.together[0][at], setup.together[quarter][at], setup.apart[quarter][at]].map(decimal);
    numbers[0].textContent = `filter e: ${first}`;
    numbers[1].textContent = `filter ${name}: ${follows}`;
    numbers[2].textContent = `filter e: ${stays}`;
    const before = `At row ${row}, column ${column} of the picture, filter e answers ${first}.`;
    page.say(to ? `${before} Where this pixel is after the turn by ${to}°, filter ${name} answers ${follows}, and filter e answers ${stays}.` : before);
  }

  function choose([row, column]) {
    const margin = Math.floor(k / 2), inside = (value) => Math.max(margin, Math.min(size - 1 - margin, value));
    model.set("row", inside(row));
    model.set("column", inside(column));
  }
  function onKey(event) {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    choose([model.get("row") + step[0], model.get("column") + step[1]]);
    model.save_changes();
  }
  for (const { canvas } of [upright, together, apart]) {
    canvas.className = "fme-framed";
    listenToKeys(canvas, onKey);
    followPointer(canvas, model, size, (place) => choose(carry(place, { degrees: canvas === upright.canvas ? 0 : to }, size, true)));
  }
  on(["degrees"], () => {
    [from, to] = [to, model.get("degrees")];
    describe();
    page.begin();
  });
  on(["row", "column"], () => {
    describe();
    page.ask();
  });
  describe();
}

export default { render: followingThePage(render) };
