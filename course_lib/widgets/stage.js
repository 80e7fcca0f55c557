// The drawing kernel that the moving pictures share: sheets as small bitmaps, canvases in units of a sheet, arrows, and the
// glide from one position to the next. Positions are (x, y) in sides of a sheet, y up; angles are counter-clockwise.

const GLIDE = 300; // milliseconds
const QUARTER = Math.PI / 2;
const GRAY = "#8a8a8a", MARK = "#c2185b"; // of what is pointed at; no element has it
const modulo = (a, n) => ((a % n) + n) % n;
const ease = (t) => (t < 0.5 ? 2 * t * t : 1 - 2 * (1 - t) * (1 - t));
const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");

// A small canvas for one map, painted once.
const bitmap = (size, colors, valueAt) => paint(size, (i) => colors[valueAt(i)]);

// For maps without and with a sign, 256 colors as numbers; on a dark page from dark to light.
function palettesOf(model) {
  const bytes = asBytes(model.get("colors"));
  return [0, 256].map((begin) => Int32Array.from({ length: 256 }, (_, i) => pixel(...onPage(...bytes.slice(3 * (begin + i), 3 * (begin + i) + 3)))));
}

// A figure whose canvas is cleared for each picture; ``extent`` is half its width and height, in sides of a sheet.
function makeStage(title) {
  const canvas = element("canvas", { role: "img" });
  const figure = element("figure", {}, element("figcaption", {}, ...[title].flat()), canvas);
  const begin = (width, [halfWidth, halfHeight]) => {
    const ratio = window.devicePixelRatio || 1, height = Math.round((width * halfHeight) / halfWidth);
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, canvas.width / 2, canvas.height / 2);
    context.clearRect(-canvas.width, -canvas.height, 2 * canvas.width, 2 * canvas.height);
    context.imageSmoothingEnabled = false;
    return { context, unit: canvas.width / (2 * halfWidth) };
  };
  return { canvas, figure, begin };
}

// A framed sheet around (x, y), turned, and with ``flip`` from 1 to −1 mirrored on the way.
function drawSheet(context, image, [x, y], unit, angle, color, flip = 1) {
  context.save();
  context.translate(x * unit, -y * unit);
  context.scale(flip, 1);
  context.rotate(-angle);
  context.drawImage(image, -unit / 2, -unit / 2, unit, unit);
  context.lineWidth = Math.min(5 * (window.devicePixelRatio || 1), Math.max(2, unit * 0.035));
  context.strokeStyle = color === "#000000" && isDark() ? "white" : color;
  context.strokeRect(-unit / 2, -unit / 2, unit, unit);
  context.restore();
}

function drawArrow(context, points, unit, color, isMirror = false) {
  const pixels = points.map(([x, y]) => [x * unit, -y * unit]), width = Math.max(1.5, unit * 0.025);
  context.strokeStyle = context.fillStyle = color;
  context.setLineDash(isMirror ? [unit * 0.1, unit * 0.07] : []);
  context.beginPath();
  pixels.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  for (const [mode, times] of [["destination-out", 6], ["source-over", 1]]) { // a solid line interrupts a dashed one
    [context.globalCompositeOperation, context.lineWidth] = [mode, times * width];
    context.stroke();
  }
  context.setLineDash([]);
  const head = ([x, y], [fromX, fromY]) => {
    const angle = Math.atan2(y - fromY, x - fromX), length = unit * 0.14;
    context.beginPath();
    context.moveTo(x, y);
    for (const side of [-0.45, 0.45]) context.lineTo(x - length * Math.cos(angle + side), y - length * Math.sin(angle + side));
    context.fill();
  };
  if (!isMirror) head(pixels.at(-1), pixels.at(-2)); // a mirror leads both ways
}

// How the sheets of one scene get to their places in the next: a turn in radians or a mirror; null where nothing glides.
// A scene says which layer it shows, how it is turned, and for each place of the ring which sheet came there.
function motion(from, to) {
  if (!from || from.layer !== to.layer || from.channel !== to.channel) return null;
  const [before, after] = [from.numbers, to.numbers], isFlip = before.mirror !== after.mirror;
  const degrees = modulo(after.degrees - before.degrees + 179, 360) - 179;
  if (isFlip && degrees) return null;
  const angle = ((before.mirror ? -1 : 1) * degrees * Math.PI) / 180;
  const place = (sheet, t) => {
    const { places, centers } = from.layer, [[x, y], [u, v]] = [places[sheet], places[to.origins.indexOf(from.origins[sheet])]];
    if (isFlip) return [x + t * (u - x), y + t * (v - y)];
    const [middle, height] = centers[sheet], [right, up, toRight, toTop] = [x - middle, y - height, u - middle, v - height];
    const turn = t * Math.atan2(right * toTop - up * toRight, right * toRight + up * toTop);
    return [middle + right * Math.cos(turn) - up * Math.sin(turn), height + right * Math.sin(turn) + up * Math.cos(turn)];
  };
  return { place, angle, flip: (t) => (isFlip ? 1 - 2 * t : 1) };
}

// Names stand as in figures/rings.py: the place, and which sheet came there; on a phone two rings have room for that only.
function drawNames(context, { names, places, centers }, unit, color, origins = null) {
  const ratio = window.devicePixelRatio || 1;
  context.fillStyle = color;
  context.font = `${Math.max(14 * ratio, Math.min(16 * ratio, 0.15 * unit))}px system-ui, sans-serif`;
  places.forEach(([x, y], sheet) => {
    const moved = origins && origins[sheet] !== sheet, isRight = x > centers[sheet][0] + 1e-6;
    const isBelow = names.length > 4 && y < -1e-6, aside = Math.abs(y) < 1e-6 ? (names.length > 4 ? 0.6 : 0.76) : 0.52;
    context.textAlign = isRight ? "right" : "left";
    context.textBaseline = isBelow ? "top" : "alphabetic";
    const place = names.length > 4 && unit < 60 * ratio ? "" : names[sheet];
    const name = moved ? `${place}\u2009←\u2009${names[origins[sheet]]}` : names[sheet];
    context.fillText(name, (x + (isRight ? aside : -aside)) * unit, -(y + (isBelow ? -0.58 : 0.58)) * unit);
  });
}

// The sheets on their ring, with arrows and names; where ``moves`` says how, on their way to another scene.
function drawRing({ context, unit }, layer, line, bitmaps, origins, moves = null, t = 1) {
  const isRing = bitmaps.length > 1;
  for (const arrow of [...layer.arrows].sort((a, b) => b.mirror - a.mirror)) drawArrow(context, arrow.points, unit, line, arrow.mirror);
  if (isRing) drawNames(context, layer, unit, line, origins);
  bitmaps.forEach((image, sheet) => {
    const color = isRing ? layer.colors[origins[sheet]] : GRAY;
    if (moves) drawSheet(context, image, moves.place(sheet, t), unit, t * moves.angle, color, moves.flip(t));
    else drawSheet(context, image, layer.places[sheet], unit, 0, color);
  });
}

// A frame around one pixel of a sheet of size × size pixels.
function markPixel(context, [x, y], unit, size, [row, column]) {
  const side = Math.max(unit / size, 5), left = (x - 0.5 + (column + 0.5) / size) * unit, top = (-y - 0.5 + (row + 0.5) / size) * unit;
  for (const [color, width] of [["white", 4], [MARK, 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width * (window.devicePixelRatio || 1);
    context.strokeRect(left - side / 2, top - side / 2, side, side);
  }
}

// Calls ``draw(t)`` for each picture, with t from 0 to 1 since ``begin``; or once with 1, where no motion is wanted.
function makeGlide(draw) {
  let since = -Infinity, asked = false;
  const step = () => {
    asked = false;
    const t = isStill.matches ? 1 : Math.min(1, (performance.now() - since) / GLIDE);
    draw(ease(t));
    if (t < 1) ask();
  };
  const ask = () => {
    if (!asked) requestAnimationFrame(step);
    asked = true;
  };
  const begin = () => {
    since = performance.now();
    ask();
  };
  return { ask, begin };
}

// The page of a widget: its controls, stages beside one another, which fill its width, and words about what they show.
function layOut({ el, undo }, controls, titles, draw, kind = "") {
  const stages = titles.map(makeStage), page = { stages, width: 0 };
  Object.assign(page, makeGlide((t) => {
    if (!page.width) return;
    page.figures.style.cssText = ""; // before they have their sizes, nobody is to see them jump
    draw(t);
  }));
  page.figures = element("div", { class: "fme-panels fme-stages", style: "visibility:hidden;height:0;overflow:hidden" }, ...stages.map(({ figure }) => figure));
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  el.append(element("div", { class: `fme ${kind}` }, element("div", { class: "fme-controls fme-stay" }, ...controls), page.figures, status));
  page.say = (text, aloud = true) => {
    if (aloud && status.textContent !== text) status.textContent = text;
    for (const { canvas, figure } of stages) canvas.setAttribute("aria-label", `${figure.firstChild.textContent}. ${text}`);
  };
  const watcher = new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width) page.width = Math.min(1400, contentRect.width);
    page.ask();
  });
  watcher.observe(page.figures);
  undo.push(() => watcher.disconnect());
  return page;
}
