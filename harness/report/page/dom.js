// Building elements. Text only ever becomes text: nothing here parses markup.
import { FOLD, MORE, counted, parts } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes, and children that are nodes or text. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text from outside as nodes, with hidden characters shown by their code points. */
export function outside(text) {
  return parts(text).map(([part, hidden]) =>
    hidden ? h("span", { class: "hid", title: "hidden character" }, part) : part,
  );
}

/** Text from outside in an element of its own, folded where it's long. */
export function said(text, tag = "p") {
  const shown = h(tag, { class: "said" }, outside(text.slice(0, FOLD)));
  if (text.length <= FOLD) return [shown];
  const button = h("button", { class: "fold", type: "button" });
  let end = FOLD;
  const label = () => {
    const rest = text.length - end <= MORE;
    button.textContent = rest
      ? `Show all ${counted(text.length, "character")}`
      : `Show more of ${counted(text.length, "character")}`;
  };
  button.addEventListener("click", () => {
    shown.append(...outside(text.slice(end, end + MORE)));
    end += MORE;
    if (end < text.length) return label();
    button.remove();
    shown.setAttribute("tabindex", "-1");
    shown.focus();
  });
  label();
  return [shown, button];
}

/** A verdict with its mark and colour. */
export function verdict(name) {
  return h("span", { class: `verdict v-${name}` }, name.replaceAll("_", " "));
}
