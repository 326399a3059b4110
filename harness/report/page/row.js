// One row of the list: what a reader needs to choose a sample.
import { h, outside, verdict } from "./dom.js";
import { ROW } from "./filters.js";
import { picture } from "./shards.js";
import { number } from "./text.js";

/** The cells of a sample's row; `there` is its row in the other run, if one is chosen. */
export function cells(row, there, group) {
  return [
    thumbnail(row),
    name(row),
    ending(row, there, group),
    h("span", { class: "what" }, outside(row[ROW.prompt])),
    answer(row),
  ];
}

function thumbnail(row) {
  if (!row[ROW.image]) return h("span", { class: "thumb", "aria-hidden": "true" });
  return h("img", {
    class: "thumb",
    src: picture(row[ROW.image]),
    alt: "",
    loading: "lazy",
    decoding: "async",
  });
}

function name(row) {
  const repeat = row[ROW.k] ? ` #${row[ROW.k]}` : "";
  return h("span", { class: "id" }, outside(row[ROW.id]), repeat, h("small", {}, outside(row[ROW.category])));
}

function ending(row, there, group) {
  const score = row[ROW.verdict] === "missing" ? "" : number(row[ROW.score], group);
  return h(
    "span",
    { class: "ended" },
    verdict(row[ROW.verdict]),
    score ? h("small", {}, score) : null,
    there ? h("small", {}, "there ", verdict(there[ROW.verdict])) : null,
  );
}

function answer(row) {
  const both = row[ROW.answer] && row[ROW.reason];
  const more = both ? [h("br"), outside(row[ROW.reason])] : null;
  return h("span", { class: "why" }, outside(row[ROW.answer] || row[ROW.reason]), more);
}
