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

// Python sends null for an error that is not finite.
const errorText = (error) => (error === null ? "not finite" : error === 0 ? "0" : error.toExponential(1));

function makePanel(title, size) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = element("canvas", { role: "img", width: size * ratio, height: size * ratio });
  canvas.style.cssText = `width:${size}px;height:${size}px`;
  return { canvas, figure: element("figure", {}, element("figcaption", {}, title), canvas) };
}

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
