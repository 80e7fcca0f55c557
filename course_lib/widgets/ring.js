// The turning ring: drag the picture, and its sheets turn and travel. Everything was computed in Python: for each network
// the maps of the picture in its four positions, and the answer at every 15°. Between two positions sheets glide; that
// motion is drawn, not computed.

// How much of the width each figure takes, beside one another and, where there is little room, in two rows.
const WIDE = { input: 0.17, ring: 0.26, rest: 0.2 }, NARROW = { input: 0.47, ring: 0.47, rest: 0.47 };

// All bitmaps of one network: seen[q][s] is sheet s of the picture turned by q, differences[q][s] how much it differs from
// the upright sheets moved by q.
function bitmapsOf(network, size, colors) {
  const bytes = asBytes(network.maps), [count, area] = [network.sheets, size * size];
  const value = (quarter, sheet, i) => bytes[(quarter * count + sheet) * area + i];
  const origin = (sheet, quarters) => (network.travels ? modulo(sheet - quarters, count) : sheet);
  const each = (make) => [0, 1, 2, 3].map(make);
  const sheets = [...Array(count).keys()];
  const source = (i, q) => {
    const [row, column] = carry([Math.floor(i / size), i % size], { degrees: 90 * q }, size, true);
    return row * size + column;
  };
  const difference = (q, s) => bitmap(size, colors, (i) => Math.abs(value(q, s, i) - value(0, origin(s, q), source(i, q))));
  return {
    seen: each((q) => sheets.map((s) => bitmap(size, colors, (i) => value(q, s, i)))),
    differences: each((q) => sheets.map((s) => difference(q, s))),
  };
}

function render(widget) {
  const { model, el, on, undo } = widget, setup = model.get("setup"), { layer } = setup, [ink] = palettesOf(model), pixels = asBytes(model.get("picture"));
  const networks = model.get("networks").map((network) => ({ ...network, ...bitmapsOf(network, network.size, ink) }));
  const image = bitmap(setup.imageSize, ink, (i) => pixels[i]), { bars, show } = makeBars(networks[0].scores[0].length);
  const play = control("button", { type: "button", "aria-pressed": "false" }, "▶ play"), turn = slider(359, 3);
  turn.setAttribute("aria-label", "turn the picture");
  const group = `ring-${Math.random()}`;
  const radios = networks.map((_, value) => control("input", { type: "radio", name: group, value }));
  const choice = element("fieldset", {}, element("legend", {}, "network"), ...radios.map((radio, i) => element("label", {}, radio, networks[i].name)));

  let [angle, playing, dragged] = [model.get("degrees"), null, null];
  let quarter = Math.round(angle / 90) % 4, from = quarter;
  const titles = ["drag the picture", "turn, then compute", "compute, then turn", "difference"];
  const page = layOut(widget, [choice, element("label", {}, "turn", turn), play], titles, draw, "rings ring");
  const [input, first, second, rest] = page.stages;
  input.figure.append(bars);
  const gap = rest.figure.appendChild(element("p", { class: "fme-gap" }));
  input.canvas.style.cssText = "cursor:grab;touch-action:none";
  const network = () => networks[model.get("network")];
  const [[radius]] = layer.places, placeOf = (turned) => [radius * Math.cos(turned), radius * Math.sin(turned)];
  const widthOf = (part) => Math.floor((page.width < 620 ? NARROW : WIDE)[part] * Math.max(300, Math.min(1100, page.width)));

  function drawOrder(ring, t) {
    const { seen, travels, sheets } = network(), { context, unit } = ring.begin(widthOf("ring"), layer.extent), line = getComputedStyle(el).color;
    const moved = QUARTER * (from + modulo(quarter - from + 1.5, 4) * t - 1.5 * t); // the shorter way round
    if (travels) for (const { points } of layer.arrows) drawArrow(context, points, unit, line);
    if (travels) drawNames(context, layer, unit, line, layer.places.map((_, place) => modulo(place - quarter, sheets)));
    for (let sheet = 0; sheet < sheets; sheet++) {
      const place = placeOf(QUARTER * sheet + (travels ? moved : 0)), color = travels ? layer.colors[sheet] : GRAY;
      if (ring === first && (!travels || t === 1)) drawSheet(context, seen[quarter][travels ? modulo(sheet + quarter, sheets) : sheet], place, unit, 0, color);
      else drawSheet(context, seen[0][sheet], place, unit, moved, color);
    }
  }

  function drawRest(t) {
    const { context, unit } = rest.begin(widthOf("rest"), layer.extent);
    if (network().travels) drawNames(context, layer, unit, getComputedStyle(el).color);
    context.globalAlpha = t; // while sheets are on their way there is nothing to compare
    network().differences[quarter].forEach((difference, sheet) => drawSheet(context, difference, placeOf(QUARTER * sheet), unit, 0, GRAY));
    context.globalAlpha = 1;
  }

  function drawInput() {
    const { context } = input.begin(widthOf("input"), [0.5, 0.5]), side = input.canvas.width;
    context.save();
    context.beginPath();
    context.arc(0, 0, side / 2 - 1, 0, 7);
    context.strokeStyle = GRAY;
    context.stroke(); // a disc, to be turned
    context.clip();
    context.rotate((-angle * Math.PI) / 180);
    context.imageSmoothingEnabled = angle % 90 !== 0;
    context.drawImage(image, -side / 2, -side / 2, side, side);
    context.restore();
  }

  function draw(t) {
    drawInput();
    drawOrder(first, t);
    drawOrder(second, t);
    drawRest(t);
  }

  function onQuarter() {
    const { travels, errors } = network();
    const motion = travels ? `. Each sheet has turned by ${90 * quarter}° and moved ${quarter} place${quarter > 1 ? "s" : ""} on` : ". The maps have become other maps";
    return `${quarter ? motion : ""}. The two orders differ by ${errorText(errors[quarter])}`;
  }

  function describe() {
    const { scores, name } = network(), shown = scores[Math.round(angle / 15) % scores.length], best = show(shown);
    const between = `. The maps are those at ${90 * quarter}°, the nearest quarter turn; between quarter turns the answer may change`;
    const resting = angle % 90 < (playing === null ? 0.01 : 3), turned = resting ? 90 * quarter : Math.round(angle);
    const answer = `Answer: ${best} (${Math.round(100 * shown[best])} %).`;
    gap.textContent = `error: ${errorText(network().errors[quarter])}`;
    page.say(`${name}: the picture is turned by ${turned}°${resting ? onQuarter() : between}. ${answer}`, playing === null || resting);
  }

  function setAngle(degrees, tell = true) {
    angle = modulo(degrees, 360);
    const nearest = Math.round(angle / 90) % 4;
    if (nearest !== quarter) {
      [from, quarter] = [quarter, nearest];
      page.begin();
    }
    turn.value = angle;
    turn.setAttribute("aria-valuetext", `${Math.round(angle)} degrees`);
    describe();
    if (tell) send(model, { degrees: Math.round(angle) });
    page.ask();
  }
  const settle = () => setAngle(90 * Math.round(angle / 90)); // at the nearest quarter turn

  function advance() {
    if (playing === null) return;
    const now = performance.now();
    setAngle(angle + Math.min(50, now - playing) * 0.045, false);
    playing = now;
    requestAnimationFrame(advance);
  }

  function syncNetwork() {
    radios[model.get("network")].checked = true;
    describe();
    page.ask();
  }

  const pointerAngle = (event) => {
    const box = input.canvas.getBoundingClientRect();
    return (-Math.atan2(event.clientY - box.top - box.height / 2, event.clientX - box.left - box.width / 2) * 180) / Math.PI;
  };
  input.canvas.addEventListener("pointerdown", (event) => {
    input.canvas.setPointerCapture(event.pointerId);
    dragged = angle - pointerAngle(event);
  });
  input.canvas.addEventListener("pointermove", (event) => dragged !== null && setAngle(dragged + pointerAngle(event), false));
  const drop = () => {
    if (dragged !== null) settle();
    dragged = null;
  };
  for (const end of ["pointerup", "pointercancel"]) input.canvas.addEventListener(end, drop);
  turn.addEventListener("input", () => setAngle(Number(turn.value)));
  play.addEventListener("click", () => {
    playing = playing === null ? performance.now() : null;
    play.textContent = playing === null ? "▶ play" : "❚❚ pause";
    play.setAttribute("aria-pressed", String(playing !== null));
    playing === null ? settle() : advance();
  });
  radios.forEach((radio, i) => radio.addEventListener("change", () => send(model, { network: i })));
  undo.push(() => (playing = null));
  on(["network"], syncNetwork);
  on(["degrees"], () => Math.round(angle) !== model.get("degrees") && setAngle(model.get("degrees"), false));
  syncNetwork();
  setAngle(model.get("degrees"), false);
}

export default { render: followingThePage(render) };
