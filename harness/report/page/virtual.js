// A list of any length: only the rows in sight are in the document.
import { h } from "./dom.js";

const AROUND = 6;

export class VirtualList {
  /**
   * @param box Scrolling element with the role listbox.
   * @param draw Fills a row: `draw(element, index)`.
   * @param open Called with the index of the row that was chosen.
   */
  constructor(box, draw, open) {
    this.box = box;
    this.draw = draw;
    this.open = open;
    this.length = 0;
    this.current = -1;
    this.drawn = new Map();
    this.runway = h("div", { class: "runway", role: "presentation" });
    box.replaceChildren(this.runway);
    box.addEventListener("scroll", () => this.request(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.measure()).observe(box);
  }

  /** Show `length` rows anew, from the top unless `keep`. */
  reset(length, { keep = false } = {}) {
    this.length = length;
    if (!keep) {
      this.box.scrollTop = 0;
      this.current = -1;
    }
    this.select(Math.min(this.current, length - 1));
    this.measure();
  }

  measure() {
    const probe = h("div", { class: "item" });
    this.runway.append(probe);
    this.height = probe.offsetHeight || this.height || 72;
    probe.remove();
    this.runway.style.height = `${this.length * this.height}px`;
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.render();
  }

  request() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.render();
    });
  }

  render() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / this.height) - AROUND);
    const last = Math.min(
      this.length,
      Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + AROUND,
    );
    for (const [index, element] of this.drawn) {
      if (index < first || index >= last) {
        element.remove();
        this.drawn.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) if (!this.drawn.has(index)) this.add(index);
  }

  add(index) {
    const element = h("div", {
      class: "item",
      role: "option",
      id: `item-${index}`,
      "aria-posinset": index + 1,
      "aria-setsize": this.length,
    });
    element.setAttribute("aria-selected", String(index === this.current));
    element.style.top = `${index * this.height}px`;
    this.draw(element, index);
    this.drawn.set(index, element);
    this.runway.append(element);
  }

  /** Move to a row and bring it into sight. */
  select(index) {
    this.drawn.get(this.current)?.setAttribute("aria-selected", "false");
    this.current = index;
    if (index < 0) {
      this.box.removeAttribute("aria-activedescendant");
      return;
    }
    const top = index * this.height;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const bottom = top + this.height - this.box.clientHeight;
    if (bottom > this.box.scrollTop) this.box.scrollTop = bottom;
    this.render();
    this.drawn.get(index)?.setAttribute("aria-selected", "true");
    this.box.setAttribute("aria-activedescendant", `item-${index}`);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height) - 1);
    const steps = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity,
    };
    if (event.key in steps && this.length > 0) {
      event.preventDefault();
      this.select(Math.min(this.length - 1, Math.max(0, this.current + steps[event.key])));
    } else if (event.key === "Enter" && this.current >= 0) {
      event.preventDefault();
      this.open(this.current);
    }
  }

  click(event) {
    const element = event.target.closest(".item");
    if (!element) return;
    const index = Number(element.getAttribute("aria-posinset")) - 1;
    this.select(index);
    this.open(index);
  }
}
