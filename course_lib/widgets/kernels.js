// Draws the kernel explorer: choose a pixel, see the kernel that it writes for each orientation, and what each of them
// gathers; turn the image, and they turn and travel. Kernels come as bytes, in the order (turn, sheet, k², Y, X).

const SHARES = { wide: { image: 0.29, ring: 0.335 }, narrow: { image: 0.6, ring: 0.48 }, pairs: { image: 0.29, ring: 0.48 }, pair: { image: 0.4, ring: 0.98 } };

function render(widget) {
  const { model, el, on } = widget, setup = model.get("setup"), { size, window: k, layer, frames } = setup, sheets = layer.names.length;
  const [ink, signed] = palettesOf(model), data = model.get("data");
  const kernels = asBytes(data.kernels), images = asBytes(data.images), reach = (k - 1) / 2;
  const labels = [
    bound(widget, "row", "row", slider(size - 1)), bound(widget, "column", "column", slider(size - 1)),
    bound(widget, "degrees", "turn", slider(270, 90), "°"), bound(widget, "mirror", "mirror", checkbox()),
  ];
  labels[3].hidden = frames.length === 4;
  let [from, to] = [null, null];
  const page = layOut(widget, labels, ["the image: point at a pixel", "the kernels that it writes", "what they gather"], draw);
  const [picture, written, gathered] = page.stages;
  picture.canvas.className = "fme-framed";

  function makeScene() {
    const frame = frameOf(model, frames), numbers = frames[frame];
    const [row, column] = carry([model.get("row"), model.get("column")], numbers, size), at = row * size + column;
    const image = images.subarray(frame * size * size, (frame + 1) * size * size);
    const weight = (sheet, i) => kernels[((frame * sheets + sheet) * k * k + i) * size * size + at] - 128; // in 127ths of the largest
    const seen = (i) => {
      const [y, x] = [row + Math.floor(i / k) - reach, column + (i % k) - reach];
      return y < 0 || x < 0 || y >= size || x >= size ? 0 : image[y * size + x] / 255;
    };
    const each = (make) => layer.names.map((_, sheet) => make(sheet)), shade = (value) => 128 + Math.round(Math.max(-127, Math.min(127, value)));
    return {
      layer, numbers, pixel: [row, column], origins: numbers.origins, frame,
      image: bitmap(size, ink, (i) => image[i]),
      kernels: each((sheet) => bitmap(k, signed, (i) => shade(weight(sheet, i)))),
      products: each((sheet) => bitmap(k, signed, (i) => shade(weight(sheet, i) * seen(i)))),
      sums: each((sheet) => Array.from({ length: k * k }, (_, i) => (weight(sheet, i) * seen(i) * setup.largest) / 127).reduce((a, b) => a + b, 0)),
    };
  }

  function draw(t) {
    const kind = sheets > 4 ? (page.width < 1000 ? "pair" : "pairs") : page.width < 700 ? "narrow" : "wide"; // of rings
    const widths = SHARES[kind], widthOf = (part) => Math.floor(widths[part] * page.width);
    const moves = t < 1 ? motion(from, to) : null, scene = moves ? from : to, line = getComputedStyle(el).color;
    const { context, unit } = picture.begin(widthOf("image"), [0.5, 0.5]);
    if (moves) {
      context.scale(moves.flip(t), 1);
      context.rotate(-t * moves.angle);
    }
    context.drawImage(scene.image, -unit / 2, -unit / 2, unit, unit);
    const [y, x] = scene.pixel, side = (unit * k) / size;
    context.strokeStyle = MARK;
    context.lineWidth = 2.5 * (window.devicePixelRatio || 1);
    context.strokeRect(((x + 0.5) / size - 0.5) * unit - side / 2, ((y + 0.5) / size - 0.5) * unit - side / 2, side, side);
    drawRing(written.begin(widthOf("ring"), layer.extent), layer, line, scene.kernels, scene.origins, moves, t);
    drawRing(gathered.begin(widthOf("ring"), layer.extent), layer, line, scene.products, scene.origins, moves, t);
  }

  function describe() {
    const { numbers, pixel: place, sums } = to;
    const all = layer.names.map((name, sheet) => `${name}: ${decimal(sums[sheet])}`).join(", ");
    const where = numbers.degrees || numbers.mirror ? ` Moved by ${numbers.name}, it is pixel (${place.join(", ")}), and each kernel has turned and gone to its new place.` : "";
    page.say(`Pixel (${model.get("row")}, ${model.get("column")}).${where} Sums over the windows: ${all}.`);
  }

  function update(show) {
    if (frameOf(model, frames) < 0) return;
    [from, to] = [to, makeScene()];
    describe();
    show();
  }
  on(["degrees", "mirror"], () => update(page.begin));
  on(["row", "column"], () => update(page.ask));
  followPointer(picture.canvas, model, size, (place) => {
    const [row, column] = carry(place, to.numbers, size, true);
    model.set("row", row);
    model.set("column", column);
  });
  update(page.ask);
}

export default { render: followingThePage(render) };
