// What the widgets share: elements, controls of the model's values, colors, and pictures painted pixel by pixel.

const asBytes = (v) => (v instanceof DataView ? new Uint8Array(v.buffer, v.byteOffset, v.byteLength) : new Uint8Array(v));

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// JupyterLab takes the arrow keys for itself unless the control itself carries this mark.
const control = (tag, attributes, ...children) => element(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);

// An error as it stands in a text: 0.62, 2·10⁻⁷. Python sends null for one that is not finite.
function errorText(error) {
  if (error === null) return "not finite";
  if (error === 0 || error >= 1e-3) return String(Number(error.toPrecision(2)));
  const [digits, power] = error.toExponential(0).split("e");
  return `${digits}·10${[...power].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("")}`;
}

const decimal = (value) => value.toFixed(2).replace("-", "−");

function send(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

const slider = (max, step = 1) => control("input", { type: "range", min: 0, max, step });
const checkbox = () => control("input", { type: "checkbox" });
const options = (names) => names.map((name, value) => element("option", { value }, String(name)));

// The label of a control that shows a value of the model, and changes it.
function bound({ model, on }, name, label, input, unit = "") {
  const isBox = input.type === "checkbox", output = element("output");
  const follow = () => {
    const value = model.get(name);
    input[isBox ? "checked" : "value"] = value;
    output.textContent = `${value}${unit}`;
    if (unit) input.setAttribute("aria-valuetext", `${value} degrees`);
  };
  input.addEventListener("input", () => send(model, { [name]: isBox ? input.checked : Number(input.value) }));
  on([name], follow);
  follow();
  return element("label", {}, ...(isBox ? [input, label] : input.type === "range" ? [label, input, output] : [label, input]));
}

// One bar for each class; ``show`` marks the largest and returns it.
function makeBars(count) {
  const bars = element("div", { class: "fme-bars", "aria-hidden": "true" });
  for (let i = 0; i < count; i++) bars.append(element("div", {}, element("i"), String(i)));
  bars.hidden = count === 0 || count > 20;
  const show = (scores) => {
    const best = scores.indexOf(Math.max(...scores));
    scores.forEach((score, i) => {
      bars.children[i].className = i === best ? "fme-best" : "";
      bars.children[i].firstChild.style.height = `${65 * score}px`;
    });
    return best;
  };
  return { bars, show };
}

// Which of the positions that were computed is the present one; −1 where it is none of them, as when set from Python.
const frameOf = (model, frames) => frames.findIndex((f) => f.degrees === model.get("degrees") && f.mirror === model.get("mirror"));

// Where a pixel goes: quarter turns counter-clockwise, then the mirror; rows are counted from above. ``back``: its origin.
function carry([row, column], { degrees, mirror = false }, size, back = false) {
  const reflect = ([y, x]) => [y, mirror ? size - 1 - x : x];
  let place = back ? reflect([row, column]) : [row, column];
  for (let i = 0; i < (back ? 360 - degrees : degrees) / 90; i++) place = [size - 1 - place[1], place[0]];
  return back ? place : reflect(place);
}

// Calls ``choose`` with the row and column below the pointer; the kernel is told where it came to rest.
function followPointer(canvas, model, size, choose) {
  canvas.style.cssText = "cursor:crosshair;touch-action:none";
  const follow = (event) => {
    const box = canvas.getBoundingClientRect(), cell = (share) => Math.max(0, Math.min(size - 1, Math.floor(size * share)));
    choose([cell((event.clientY - box.top) / box.height), cell((event.clientX - box.left) / box.width)]);
  };
  for (const event of ["pointerdown", "pointermove"]) canvas.addEventListener(event, follow);
  for (const event of ["pointerup", "pointerleave"]) canvas.addEventListener(event, () => model.save_changes());
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function listenToKeys(canvas, onKey) {
  canvas.tabIndex = 0;
  canvas.dataset.lmSuppressShortcuts = "true";
  canvas.addEventListener("keydown", onKey);
}

// Whether the page has light words on a dark ground; a widget in JupyterLab is made before it stands on the page.
function isDark() {
  const { jpThemeLight } = document.body.dataset, [red, green, blue] = getComputedStyle(document.body).color.match(/[\d.]+/g);
  return jpThemeLight ? jpThemeLight === "false" : 0.3 * red + 0.59 * green + 0.11 * blue > 128;
}

// A color of a map as it is on the present page; the dark one as in the figures of the site: light and dark change places,
// and faint values are lifted, which would sink into the page.
function onPage(...color) {
  const moved = 255 - Math.max(...color) - Math.min(...color), lifted = ((271 - Math.min(...color)) / 271) ** -0.4;
  return isDark() ? color.map((part) => Math.round(19 + (216 * lifted * (part + moved)) / 255)) : color;
}

// A widget that is made anew when the page becomes dark or light, as its bitmaps are painted once. What it listens to by
// ``on``, and what else ``undo`` holds, ends with it.
const followingThePage = (render) => ({ model, el }) => {
  let dark = null;
  const undo = [];
  const on = (names, listener) => {
    for (const event of names.map((name) => `change:${name}`)) {
      model.on(event, listener);
      undo.push(() => model.off(event, listener));
    }
  };
  const stop = () => undo.splice(0).forEach((end) => end());
  const follow = () => {
    if (isDark() === dark) return;
    dark = isDark();
    stop();
    el.replaceChildren();
    el.style.colorScheme = dark ? "dark" : "light"; // of sliders and menus
    render({ model, el, on, undo });
  };
  follow();
  const watcher = new MutationObserver(follow), scheme = window.matchMedia("(prefers-color-scheme: dark)");
  watcher.observe(document.body, { attributes: true });
  scheme.addEventListener("change", follow);
  return () => {
    stop();
    watcher.disconnect();
    scheme.removeEventListener("change", follow);
  };
};

// A pixel in one number, as it lies in memory: red, green, blue, opaque.
const pixel = (red, green, blue) => (255 << 24) | (blue << 16) | (green << 8) | red;

// A picture of `size` × `size` pixels from a function of the pixel's number.
function paint(size, pixelAt) {
  const canvas = element("canvas", { width: size, height: size }), context = canvas.getContext("2d");
  const image = context.createImageData(size, size), pixels = new Int32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixelAt(i);
  context.putImageData(image, 0, 0);
  return canvas;
}
