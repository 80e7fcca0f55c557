// The turning ring: drag the picture, and its sheets turn and travel. Everything was computed in Python: for each network
// the maps of the picture in its four positions, and the answer at every 15°. Between two positions sheets glide; that
// motion is drawn, not computed.

// How much of the width each figure takes, beside one another and, where there is little room, in two rows.
const WIDE = { input: 0.17, ring: 0.265 }, NARROW = { input: 0.47, ring: 0.47 };

// Where pixel i of a map that was turned by so many quarters comes from.
function source(i, size, quarters) {
  let [row, column] = [Math.floor(i / size), i % size];
  for (let turn = 0; turn < quarters; turn++) [row, column] = [column, size - 1 - row];
  return row * size + column;
}

// All bitmaps of one network: seen[q][s] is sheet s of the picture turned by q, differences[q][p][s] how much it differs
// from the upright sheets moved by p.
function bitmapsOf(network, size, colors) {
  const bytes = asBytes(network.maps), [count, area] = [network.sheets, size * size];
  const value = (quarter, sheet, i) => bytes[(quarter * count + sheet) * area + i];
  const origin = (sheet, quarters) => (network.travels ? modulo(sheet - quarters, count) : sheet);
  const each = (make) => [0, 1, 2, 3].map(make);
  const sheets = [...Array(count).keys()];
  const difference = (q, p, s) => bitmap(size, colors, (i) => Math.abs(value(q, s, i) - value(0, origin(s, p), source(i, size, p))));
  return {
    seen: each((q) => sheets.map((s) => bitmap(size, colors, (i) => value(q, s, i)))),
    differences: each((q) => each((p) => sheets.map((s) => difference(q, p, s)))),
  };
}

function render({ model, el }) {
  const setup = model.get("setup"), { layer } = setup, palette = asBytes(model.get("colors")), picture = asBytes(model.get("picture"));
  const colors = colorsOf(palette);
  const networks = model.get("networks").map((network) => ({ ...network, ...bitmapsOf(network, network.size, colors) }));
  const image = bitmap(setup.imageSize, colors, (i) => picture[i]);

  const input = makeStage("drag the picture");
  input.canvas.style.cssText = "cursor:grab;touch-action:none";
  const [first, second, rest] = ["turn, then compute", "compute, then turn", "difference"].map(makeStage);
  const slider = control("input", { type: "range", min: 0, max: 359, step: 3, "aria-label": "turn the picture" });
  const play = control("button", { type: "button", "aria-pressed": "false" });
  play.textContent = "▶ play";
  const choice = element("fieldset", {}, element("legend", {}, "network"));
  const radios = networks.map((network, i) => {
    const radio = control("input", { type: "radio", name: `ring-${Math.random()}`, value: i });
    choice.append(element("label", {}, radio, network.name));
    return radio;
  });
  for (const radio of radios) radio.name = radios[0].name;
  const bars = element("div", { class: "fme-bars", "aria-hidden": "true" });
  for (const name of setup.classes) bars.append(element("div", {}, element("i"), name));
  const status = element("p", { class: "fme-status", role: "status", "aria-live": "polite" });
  const gap = element("p", { class: "fme-gap" });
  input.figure.append(bars);
  rest.figure.append(gap);
  const figures = element("div", { class: "ring-figures" }, ...[input, first, second, rest].map((ring) => ring.figure));
  el.append(element("div", { class: "fme ring" }, element("div", { class: "fme-controls" }, choice, element("label", {}, "turn", slider), play), figures, status));

  let [angle, since, playing, dragged, width] = [model.get("degrees"), -Infinity, null, null, 640];
  let quarter = Math.round(angle / 90) % 4, from = quarter;
  const network = () => networks[model.get("network")];
  const widthOf = (part) => Math.floor((width < 620 ? NARROW : WIDE)[part] * width);
  const radius = layer.places[0][0], placeOf = (turned) => [radius * Math.cos(turned), radius * Math.sin(turned)];

  function drawRings(t) {
    const { seen, differences, travels, sheets } = network();
    const moved = QUARTER * (from + modulo(quarter - from + 1.5, 4) * ease(t) - 1.5 * ease(t)); // the shorter way round
    const ink = getComputedStyle(el).color;
    const color = (sheet) => (travels ? layer.colors[sheet] : GRAY), origins = layer.places.map((_, place) => modulo(place - quarter, sheets));
    for (const ring of [first, second]) {
      const { context, unit } = ring.begin(widthOf("ring"), layer.extent), resting = t >= 1 && ring === first;
      if (travels) for (const { points } of layer.arrows) drawArrow(context, points, unit, ink);
      if (travels) drawNames(context, layer, unit, ink, origins);
      for (let sheet = 0; sheet < sheets; sheet++) {
        const glides = travels ? moved : 0;
        const place = placeOf(QUARTER * sheet + glides);
        if (ring === first && !travels) drawSheet(context, seen[quarter][sheet], place, unit, 0, color(sheet));
        else if (resting) drawSheet(context, seen[quarter][modulo(sheet + quarter, sheets)], place, unit, 0, color(sheet));
        else drawSheet(context, seen[0][sheet], place, unit, moved, color(sheet));
      }
    }
    const { context, unit } = rest.begin(widthOf("ring"), layer.extent);
    if (travels) drawNames(context, layer, unit, ink);
    for (let sheet = 0; sheet < sheets; sheet++) {
      context.globalAlpha = ease(t); // while sheets are on their way there is nothing to compare
      drawSheet(context, differences[quarter][quarter][sheet], placeOf(QUARTER * sheet), unit, 0, GRAY);
      context.globalAlpha = 1;
    }
  }

  function drawInput() {
    const { context } = input.begin(widthOf("input"), [0.5, 0.5]), side = input.canvas.width;
    context.beginPath();
    context.arc(0, 0, side / 2 - 1, 0, 7);
    context.strokeStyle = GRAY;
    context.stroke(); // a disc, to be turned
    context.clip();
    context.rotate((-angle * Math.PI) / 180);
    context.imageSmoothingEnabled = angle % 90 !== 0;
    context.drawImage(image, -side / 2, -side / 2, side, side);
  }

  const between = () => `. The maps are those at ${90 * quarter}°, the nearest quarter turn; between quarter turns the answer may change`;

  function onQuarter() {
    const { travels, errors } = network();
    const motion = travels ? `. Each sheet has turned by ${90 * quarter}° and moved ${quarter} place${quarter > 1 ? "s" : ""} on` : ". The maps have become other maps";
    return `${quarter ? motion : ""}. The two orders differ by ${errorText(errors[quarter])}`;
  }

  function describe() {
    const { scores, name } = network(), shown = scores[Math.round(angle / 15) % scores.length];
    const best = shown.indexOf(Math.max(...shown));
    shown.forEach((score, i) => {
      bars.children[i].className = i === best ? "fme-best" : "";
      bars.children[i].firstChild.style.height = `${65 * score}px`;
    });
    const resting = angle % 90 < (playing === null ? 0.01 : 3), turned = resting ? 90 * quarter : Math.round(angle);
    const text = `${name}: the picture is turned by ${turned}°${resting ? onQuarter() : between()}. Answer: ${setup.classes[best]} (${Math.round(100 * shown[best])} %).`;
    if (status.textContent !== text && (playing === null || resting)) status.textContent = text;
    gap.textContent = `error: ${errorText(network().errors[quarter])}`;
    for (const ring of [input, first, second, rest]) ring.canvas.setAttribute("aria-label", `${ring.figure.firstChild.textContent}. ${text}`);
  }

  let asked = false;
  function ask() {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  }

  let last = null;
  function draw() {
    asked = false;
    const now = performance.now();
    if (playing !== null) {
      setAngle(angle + (last === null ? 0 : Math.min(50, now - last)) * 0.045, false);
      last = now;
    } else last = null;
    const t = isStill.matches ? 1 : Math.min(1, (now - since) / GLIDE);
    drawInput();
    drawRings(t);
    if (t < 1 || playing !== null) ask();
  }

  function setAngle(degrees, tell = true) {
    angle = modulo(degrees, 360);
    const nearest = Math.round(angle / 90) % 4;
    if (nearest !== quarter) [from, quarter, since] = [quarter, nearest, performance.now()];
    slider.value = angle;
    slider.setAttribute("aria-valuetext", `${Math.round(angle)} degrees`);
    describe();
    if (tell) {
      model.set("degrees", Math.round(angle));
      model.save_changes();
    }
    ask();
  }

  function syncNetwork() {
    radios[model.get("network")].checked = true;
    describe();
    ask();
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
    if (dragged !== null) setAngle(90 * Math.round(angle / 90)); // the nearest quarter turn
    dragged = null;
  };
  for (const end of ["pointerup", "pointercancel"]) input.canvas.addEventListener(end, drop);
  slider.addEventListener("input", () => setAngle(Number(slider.value)));
  play.addEventListener("click", () => {
    playing = playing === null ? performance.now() : null;
    play.textContent = playing === null ? "▶ play" : "❚❚ pause";
    play.setAttribute("aria-pressed", String(playing !== null));
    if (playing === null) setAngle(90 * Math.round(angle / 90));
    ask();
  });
  radios.forEach((radio, i) => radio.addEventListener("change", () => {
    model.set("network", i);
    model.save_changes();
    syncNetwork();
  }));
  const turned = () => Math.round(angle) !== model.get("degrees") && setAngle(model.get("degrees"), false);
  model.on("change:degrees", turned);
  model.on("change:network", syncNetwork);
  const unwatch = watchWidth(figures, (found) => {
    width = Math.max(300, Math.min(1100, found));
    ask();
  });
  syncNetwork();
  setAngle(model.get("degrees"), false);
  return () => {
    unwatch();
    model.off("change:degrees", turned);
    model.off("change:network", syncNetwork);
  };
}

export default { render: followingThePage(render) };
