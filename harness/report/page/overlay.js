// A picture with what the scorer saw in it: boxes, and masks as run lengths down the columns.
import { h, outside, s } from "./dom.js";
import { picture } from "./shards.js";

const COLOURS = 6;
const SMALL = 200;

/** Detections with a usable box, as the scorer's details hold them under `detections`. */
export function detections(details) {
  const found = Array.isArray(details?.detections) ? details.detections : [];
  const usable = (ends) => Array.isArray(ends) && ends.length >= 4 && ends.slice(0, 4).every(Number.isFinite);
  return found.filter((item) => item !== null && typeof item === "object" && usable(item.box));
}

/** Horizontal runs of a mask `{size: [height, width], counts}`, as an SVG path of unit rows. */
export function maskPath(runs) {
  const [height, width] = runs.size ?? [];
  if (!(height > 0 && width > 0) || !Array.isArray(runs.counts)) return "";
  let place = 0;
  let path = "";
  runs.counts.forEach((count, index) => {
    if (index % 2 === 1) path += columns(place, place + count, height);
    place += count;
  });
  return place <= height * width ? path : "";
}

function columns(start, end, height) {
  let path = "";
  for (let at = start; at < end;) {
    const column = Math.floor(at / height);
    const stop = Math.min(end, (column + 1) * height);
    path += `M${column} ${at - column * height}h1v${stop - at}h-1z`;
    at = stop;
  }
  return path;
}

/** A figure of a picture with its detections, and switches for boxes and masks. */
export function figure(path, caption, found = []) {
  const image = h("img", { src: picture(path), alt: caption, decoding: "async" });
  const canvas = h("div", { class: "canvas" }, image);
  const shown = h("figure", {}, h("figcaption", {}, caption), canvas);
  image.addEventListener("load", () => {
    canvas.classList.toggle("small", image.naturalWidth <= SMALL);
    if (found.length > 0) decorate(shown, canvas, image, found);
  });
  return shown;
}

function decorate(shown, canvas, image, found) {
  const layer = s("svg", {
    viewBox: `0 0 ${image.naturalWidth} ${image.naturalHeight}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  const masks = s(
    "g",
    {},
    found.map((item, index) => mask(item, index, image)),
  );
  const boxes = s("g", {}, found.map(box));
  layer.append(masks, boxes);
  canvas.append(layer);
  const switches = [toggle("boxes", boxes), masks.childElementCount > 0 ? toggle("masks", masks) : null];
  shown.append(h("div", { class: "toggles" }, switches), legend(found));
}

function box(item, index) {
  const [x0, y0, x1, y1] = item.box;
  const place = { x: x0, y: y0, width: Math.max(0, x1 - x0), height: Math.max(0, y1 - y0) };
  return [s("rect", { class: "halo", ...place }), s("rect", { class: `box o-${index % COLOURS}`, ...place })];
}

/** A mask, stretched to the picture: judges may have looked at a smaller one. */
function mask(item, index, image) {
  const path = item.mask && typeof item.mask === "object" ? maskPath(item.mask) : "";
  if (path === "") return null;
  const [height, width] = item.mask.size;
  const transform = `scale(${image.naturalWidth / width} ${image.naturalHeight / height})`;
  return s("path", { class: `mask o-${index % COLOURS}`, d: path, transform });
}

function toggle(name, layer) {
  const input = h("input", { type: "checkbox", checked: true });
  input.addEventListener("change", () => layer.toggleAttribute("hidden", !input.checked));
  return h("label", {}, input, ` ${name}`);
}

function legend(found) {
  const entry = (item, index) => {
    const name = [item.color, item.class ?? item.label].filter((part) => typeof part === "string").join(" ");
    const score = Number.isFinite(item.score) ? ` ${item.score.toFixed(2)}` : "";
    const key = s(
      "svg",
      { viewBox: "0 0 1 1", class: `o-${index % COLOURS}`, "aria-hidden": "true" },
      s("rect", { width: 1, height: 1 }),
    );
    return h("li", {}, key, outside(name || "object"), score);
  };
  return h("ul", { class: "legend", "aria-label": "Detections" }, found.map(entry));
}
