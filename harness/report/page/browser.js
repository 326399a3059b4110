// The sample browser: filters, their state in the address, and the list.
import { h } from "./dom.js";
import { matcher } from "./filters.js";
import { rewrite } from "./route.js";
import { cells } from "./row.js";
import { shard } from "./shards.js";
import { counted, plain } from "./text.js";
import { VirtualList } from "./virtual.js";

const VERDICTS = ["ok", "wrong", "unparsed", "judge_failed", "errored", "missing"];
const TYPING = 120;

export class Browser {
  /**
   * @param report The report's data.
   * @param open Shows a sample: `open(state, position)`.
   */
  constructor(report, open) {
    this.report = report;
    this.form = document.getElementById("filters");
    this.found = document.getElementById("found");
    this.chips = document.getElementById("verdicts");
    this.open = (index) => open(this, this.shown[index]);
    this.rows = [];
    this.others = null;
    this.shown = [];
    this.turn = 0;
    this.list = new VirtualList(
      document.getElementById("list"),
      (element, index) => this.draw(element, index),
      this.open,
    );
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("change", (event) => this.change(event));
    this.form.elements.q.addEventListener("input", () => this.later());
    this.chips.addEventListener("click", (event) => this.press(event));
  }

  get group() {
    return this.report.groups[Number(this.state.task)];
  }

  get part() {
    return this.group.runs.find((part) => part.run === Number(this.state.run));
  }

  get other() {
    return this.state.other === ""
      ? undefined
      : this.group.runs.find((part) => part.run === Number(this.state.other));
  }

  /** Take the state from an address and show it. */
  async show(query) {
    const groups = this.report.groups;
    const usable = (place) => groups[place]?.runs.length > 0;
    const task = usable(query.task) ? query.task : String(groups.findIndex((group) => group.runs.length > 0));
    this.state = {
      task,
      run: query.run ?? "",
      other: query.other ?? "",
      category: query.category ?? "",
      q: query.q ?? "",
      flip: query.flip ?? "",
      verdict: query.verdict ?? "",
    };
    if (task === "-1") {
      this.found.textContent = "The runs have no samples.";
      return;
    }
    this.mend();
    this.controls();
    await this.load();
  }

  /** Make the state one that the task has. */
  mend() {
    const { group, state } = this;
    if (!this.part) state.run = String(group.runs[0].run);
    if (!this.other || state.other === state.run) state.other = "";
    if (state.other === "" && state.flip !== "")
      state.other = String(group.runs.find((part) => part.run !== this.part.run)?.run ?? "");
    if (state.other === "") state.flip = "";
    if (!group.categories.includes(state.category)) state.category = "";
    if (state.verdict.split(",").some((name) => !VERDICTS.includes(name))) state.verdict = "";
  }

  controls() {
    const { elements } = this.form;
    const { group, state, report } = this;
    const runs = group.runs.map((part) => [String(part.run), report.runs[part.run]]);
    elements.task.value = state.task;
    options(elements.run, runs, state.run);
    options(
      elements.other,
      [["", "no other run"], ...runs.filter(([run]) => run !== state.run)],
      state.other,
    );
    options(
      elements.category,
      [["", "all"], ...group.categories.map((name) => [name, name])],
      state.category,
    );
    elements.q.value = state.q;
    elements.flip.value = state.flip;
    elements.flip.disabled = runs.length < 2;
    elements.other.disabled = runs.length < 2;
    elements.category.disabled = group.categories.length === 0;
    const chosen = new Set(state.verdict.split(","));
    this.chips.replaceChildren(
      ...VERDICTS.map((name) => chip(name, this.part.verdicts[name] ?? 0, chosen.has(name))),
    );
  }

  change(event) {
    const { name, value } = event.target;
    if (name === "q") return;
    this.state[name] = value;
    if (name === "other" && value !== "" && this.state.flip === "") this.state.flip = "any";
    this.update();
  }

  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const chosen = new Set(this.state.verdict.split(",").filter(Boolean));
    const name = button.dataset.verdict;
    if (!chosen.delete(name)) chosen.add(name);
    button.setAttribute("aria-pressed", String(chosen.has(name)));
    this.state.verdict = [...chosen].join(",");
    this.filter();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.state.q = this.form.elements.q.value;
      this.filter();
    }, TYPING);
  }

  async update() {
    this.mend();
    this.controls();
    await this.load();
  }

  /** Load rows shard by shard, listing what is there already. */
  async load() {
    const turn = ++this.turn;
    const { part, other, state } = this;
    this.rows = [];
    this.others = other ? [] : null;
    this.filter();
    for (let index = 0; index < part.rows.length; index += 1) {
      const name = (run) => shard(`rows-${state.task}-${run}-${index}`);
      try {
        const [rows, others] = await Promise.all([
          name(part.run),
          other && index < other.rows.length ? name(other.run) : null,
        ]);
        if (turn !== this.turn) return;
        this.rows.push(...rows);
        this.others?.push(...(others ?? []));
      } catch (error) {
        this.found.textContent = error.message;
        return;
      }
      this.filter({ keep: index > 0 });
    }
  }

  /** Choose the rows to show. */
  filter(how = {}) {
    const { state, rows } = this;
    const matches = matcher({
      ...state,
      verdicts: new Set(state.verdict.split(",").filter(Boolean)),
      others: this.others,
    });
    this.shown = [];
    for (let position = 0; position < rows.length; position += 1)
      if (matches(rows[position], position)) this.shown.push(position);
    this.list.reset(this.shown.length, how);
    this.found.textContent = this.count();
    rewrite("samples", state);
  }

  /** How many samples are listed, of how many, and how many are still to come. */
  count() {
    const [shown, loaded, total] = [this.shown.length, this.rows.length, this.part.total].map((count) =>
      count.toLocaleString("en"),
    );
    const coming = loaded === total ? "" : ` (${loaded} of ${total} loaded)`;
    return shown === loaded
      ? counted(this.rows.length, "sample") + coming
      : `${shown} of ${loaded} samples${coming}`;
  }

  draw(element, index) {
    const position = this.shown[index];
    element.append(...cells(this.rows[position], this.others?.[position], this.group));
  }

  /** Move the selection to a sample's neighbour; its position, or undefined at an end. */
  step(position, by) {
    const index = this.shown.indexOf(position) + by;
    if (index < 0 || index >= this.shown.length) return undefined;
    this.list.select(index);
    return this.shown[index];
  }
}

function options(select, entries, chosen) {
  select.replaceChildren(
    ...entries.map(([value, name]) => h("option", { value, selected: value === chosen }, plain(name))),
  );
}

function chip(name, count, pressed) {
  return h(
    "button",
    { type: "button", "data-verdict": name, "aria-pressed": String(pressed), disabled: count === 0 },
    h("span", { class: `verdict v-${name}` }, `${name.replaceAll("_", " ")} ${count.toLocaleString("en")}`),
  );
}
