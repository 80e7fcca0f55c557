// What the widgets share: elements, controls, panels with a canvas, and pictures painted pixel by pixel.

const asBytes = (v) => (v instanceof DataView ? new Uint8Array(v.buffer, v.byteOffset, v.byteLength) : new Uint8Array(v));

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// JupyterLab takes the arrow keys for itself unless the control itself carries this mark.
const control = (tag, attributes) => element(tag, { "data-lm-suppress-shortcuts": "true", ...attributes });

// An error as it stands in a text: 0.62, 2·10⁻⁷. Python sends null for one that is not finite.
function errorText(error) {
  if (error === null) return "not finite";
  if (error === 0 || error >= 1e-3) return String(Number(error.toPrecision(2)));
  const [digits, power] = error.toExponential(0).split("e");
  return `${digits}·10${[...power].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("")}`;
}

function makePanel(title, size) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = element("canvas", { role: "img", width: size * ratio, height: size * ratio });
  canvas.style.cssText = `width:${size}px;height:${size}px`;
  return { canvas, figure: element("figure", {}, element("figcaption", {}, title), canvas) };
}

// Whether the page has light words on a dark ground; a widget in JupyterLab is made before it stands on the page.
function isDark() {
  const { jpThemeLight } = document.body.dataset, [red, green, blue] = getComputedStyle(document.body).color.match(/[\d.]+/g);
  return jpThemeLight ? jpThemeLight === "false" : 0.3 * red + 0.59 * green + 0.11 * blue > 128;
}

// A color of a map as it is on the present page; the dark one as in the figures of the site: light and dark change places.
function onPage(...color) {
  const moved = 255 - Math.max(...color) - Math.min(...color);
  return isDark() ? color.map((part) => Math.round(19 + (216 * (part + moved)) / 255)) : color;
}

// A widget that is made anew when the page becomes dark or light, as its bitmaps are painted once.
const followingThePage = (render) => ({ model, el }) => {
  let dark = null, stop = () => {};
  const follow = () => {
    if (isDark() === dark) return;
    dark = isDark();
    stop();
    el.replaceChildren();
    el.style.colorScheme = dark ? "dark" : "light"; // of sliders and menus
    stop = render({ model, el });
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
function paint(scratch, size, pixelAt) {
  if (scratch.width !== size) scratch.width = scratch.height = size;
  const context = scratch.getContext("2d");
  const image = context.createImageData(size, size);
  const pixels = new Int32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixelAt(i);
  context.putImageData(image, 0, 0);
  return scratch;
}
