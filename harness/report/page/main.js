// What happens when the page is opened, and when its address changes.
import { Browser } from "./browser.js";
import { SampleDialog } from "./dialog.js";
import { route } from "./route.js";
import { sortable } from "./tables.js";
import { pairs, showView } from "./views.js";

const report = JSON.parse(document.getElementById("report-data").textContent);
const dialog = new SampleDialog(report);
const browser = new Browser(report, (where, position) => dialog.open(where, position));
const PLACED = "leaderboard";

async function follow() {
  const { view, query } = route();
  if (dialog.box.open) dialog.box.close();
  const shown = showView(view === "" ? PLACED : view);
  scrollTo(0, 0);
  if (shown !== "samples") return;
  await browser.show(query);
  const position = Number(query.open);
  if (query.open !== undefined && browser.rows[position]) dialog.open(browser, position);
}

for (const table of document.querySelectorAll("table.sortable")) sortable(table);
const choice = document.getElementById("pairs");
if (choice) pairs(choice);
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input, select, textarea") || dialog.box.open) return;
  event.preventDefault();
  if (route().view !== "samples") location.hash = "#samples";
  browser.form.elements.q.focus();
});
follow();
