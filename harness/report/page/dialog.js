// One sample: pictures, prompt, answer, verdict and why; and what the other runs made of it.
import { h, outside, said, verdict } from "./dom.js";
import { ROW } from "./filters.js";
import { detections, figure } from "./overlay.js";
import { address, rewrite } from "./route.js";
import { body, picture } from "./shards.js";
import { number, plain } from "./text.js";

const LINE = 90;
const UNITS = {
  ttft_s: "s to the first token",
  total_s: "s for the batch",
  batch_size: "in the batch",
  first: "the batch is the first of its",
  prompt_tokens: "prompt tokens",
  vision_tokens: "vision tokens",
  completion_tokens: "answer tokens",
  nfe: "function evaluations",
};

export class SampleDialog {
  constructor(report) {
    this.report = report;
    this.box = document.getElementById("sample");
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("close", () => this.closed());
    this.box.addEventListener("click", (event) => {
      if (event.target === this.box) this.box.close();
    });
  }

  /** Open at a position of the browser's task and run. */
  async open(browser, position, run = browser.part.run) {
    this.browser = browser;
    this.position = position;
    this.run = run;
    const { group } = browser;
    const part = group.runs.find((one) => one.run === run);
    const row = browser.rows[position];
    try {
      const known = await body(browser.state.task, part, position);
      if (this.position !== position || this.run !== run) return;
      this.show(group, row, known ?? {}, await this.elsewhere(group, position));
    } catch (error) {
      this.fill(h("p", { class: "warn", role: "alert" }, error.message));
    }
    rewrite("samples", { ...browser.state, open: position });
  }

  fill(...nodes) {
    this.box.replaceChildren(...nodes);
    if (!this.box.open) this.box.showModal();
  }

  /** What every run of the task made of the sample. */
  async elsewhere(group, position) {
    const parts = group.runs.filter((part) => position < part.total);
    const bodies = await Promise.all(parts.map((part) => body(this.browser.state.task, part, position)));
    return parts.map((part, index) => ({ run: part.run, known: bodies[index] }));
  }

  show(group, row, known, elsewhere) {
    const scroll = this.box.querySelector(".body")?.scrollTop ?? 0;
    const pictures = this.pictures(known);
    const content = h("div", { class: `body${pictures.length > 0 ? "" : " textual"}`, tabindex: "-1" });
    content.append(
      ...(pictures.length > 0 ? [h("div", {}, pictures)] : []),
      h("div", {}, this.words(group, known)),
    );
    content.append(...this.strips(known));
    if (elsewhere.length > 1) content.append(this.others(elsewhere));
    const focused = document.activeElement?.dataset?.act;
    this.fill(this.head(row, known), content);
    (this.box.querySelector(`[data-act="${focused ?? "next"}"]`) ?? content).focus();
    content.scrollTop = focused === "run" ? scroll : 0;
  }

  head(row, known) {
    const { browser, position } = this;
    const place = browser.shown.indexOf(position);
    const button = (act, text, title, go) =>
      h("button", { type: "button", "data-act": act, title, onclick: go }, text);
    return h(
      "header",
      { class: "head" },
      h("h2", { id: "sample-title" }, outside(row[ROW.id]), row[ROW.k] ? ` #${row[ROW.k]}` : ""),
      h("span", {}, outside(row[ROW.category])),
      verdict(known.verdict ?? row[ROW.verdict]),
      h("bdi", {}, outside(this.report.runs[this.run])),
      h("span", { class: "spring" }),
      h("small", {}, `${(place + 1).toLocaleString("en")} of ${browser.shown.length.toLocaleString("en")}`),
      button("previous", "←", "previous sample (left arrow)", () => this.step(-1)),
      button("next", "→", "next sample (right arrow)", () => this.step(1)),
      button("close", "Close", "close (Esc)", () => this.box.close()),
    );
  }

  pictures(known) {
    const shown = (known.shown ?? []).map((path, index, all) =>
      figure(path, all.length > 1 ? `shown to the model, ${index + 1}` : "shown to the model"),
    );
    const drawn = known.image ? [figure(known.image, "drawn by the model", detections(known.details))] : [];
    return [...shown, ...drawn];
  }

  strips(known) {
    const strip = ([name, path]) =>
      h(
        "figure",
        { class: "strip across" },
        h("figcaption", {}, outside(name.replaceAll("-", " "))),
        h("img", { src: picture(path), alt: plain(name) }),
      );
    return (known.artefacts ?? []).filter(([, path]) => path).map(strip);
  }

  words(group, known) {
    const part = (name, nodes) => (nodes.length > 0 ? h("section", {}, h("h3", {}, name), nodes) : null);
    const text = (value) => (value ? said(value) : []);
    const json = (value) => (value === undefined ? [] : said(written(value), "pre"));
    const details =
      known.details && detections(known.details).length > 0
        ? Object.fromEntries(Object.entries(known.details).filter(([key]) => key !== "detections"))
        : known.details;
    return [
      part("reason", known.reason?.includes("\n") ? said(known.reason, "pre") : text(known.reason)),
      part("prompt", text(known.prompt)),
      part("answer", known.empty ? [h("p", { class: "said" }, h("em", {}, "empty text"))] : text(known.text)),
      part(
        "log-likelihoods",
        known.likelihoods
          ? [
              h(
                "p",
                { class: "said" },
                known.likelihoods
                  .map((value) => (typeof value === "number" ? value.toFixed(3) : value))
                  .join(", "),
              ),
            ]
          : [],
      ),
      part("target", json(known.target)),
      part(
        "scores",
        known.scores
          ? [
              facts(
                Object.entries(known.scores).map(([name, value]) => [
                  name,
                  group.fraction
                    ? number(value, { ...group, fraction: false, unit: "" })
                    : number(value, { ...group, unit: "" }),
                ]),
              ),
            ]
          : [],
      ),
      part("what the scorer saw", details && Object.keys(details).length > 0 ? json(details) : []),
      part("cost", this.cost(known)),
      known.data ? h("details", {}, h("summary", {}, "sample data"), json(known.data)) : null,
    ];
  }

  cost(known) {
    const entries = Object.entries({ ...known.usage, ...known.timing }).map(([name, value]) => [
      UNITS[name] ?? name,
      typeof value === "number" ? Number(value.toPrecision(3)).toLocaleString("en") : value,
    ]);
    if (known.finish && known.finish !== "stop") entries.unshift(["ended by", known.finish]);
    return entries.length > 0 ? [facts(entries)] : [];
  }

  others(elsewhere) {
    const card = ({ run, known }) =>
      h(
        "button",
        {
          type: "button",
          "data-act": run === this.run ? "run" : null,
          "aria-current": run === this.run ? "true" : null,
          onclick: (event) => this.other(event, run),
        },
        h("bdi", {}, outside(this.report.runs[run])),
        verdict(known?.verdict ?? "missing"),
        known?.image ? h("img", { src: picture(known.image), alt: "" }) : null,
        known?.text ? h("span", { class: "said" }, outside(known.text.slice(0, 200))) : null,
        known?.reason ? h("small", {}, outside(headline(known).slice(0, 160))) : null,
      );
    return h(
      "section",
      { class: "across" },
      h("h3", {}, "every run on this sample"),
      h("div", { class: "others" }, elsewhere.map(card)),
    );
  }

  other(event, run) {
    event.currentTarget.dataset.act = "run";
    this.open(this.browser, this.position, run);
  }

  step(by) {
    const next = this.browser.step(this.position, by);
    if (next !== undefined) this.open(this.browser, next, this.run);
  }

  key(event) {
    if (event.target.matches("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey)
      return;
    const by = { ArrowLeft: -1, k: -1, ArrowRight: 1, j: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    this.step(by);
  }

  closed() {
    const { browser } = this;
    this.position = undefined;
    rewrite("samples", browser.state);
    browser.list.box.focus();
  }

  /** The address of the sample that is open. */
  get link() {
    return address("samples", { ...this.browser.state, open: this.position });
  }
}

/** A value as JSON, on one line where it fits. */
function written(value) {
  if (typeof value === "string") return value;
  const line = JSON.stringify(value);
  return line.length <= LINE ? line : JSON.stringify(value, null, 2);
}

/** Of a traceback the last line, which names the error. */
function headline(known) {
  return known.verdict === "errored" ? known.reason.trim().split("\n").at(-1) : known.reason;
}

function facts(entries) {
  return h(
    "dl",
    { class: "facts" },
    entries.map(([name, value]) => h("div", {}, h("dt", {}, outside(name)), h("dd", {}, value))),
  );
}
