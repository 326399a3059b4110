// Tables whose headings sort. What has no number stays below, whichever way the rest is sorted.

/** Make the headings of a table sort its rows. */
export function sortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    head.querySelector("button")?.addEventListener("click", () => sort(table, head));
  }
}

function sort(table, head) {
  const textual = head.dataset.kind === "text";
  const first = textual || head.dataset.direction === "lower" ? "ascending" : "descending";
  const second = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const cell of head.parentElement.cells) cell.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", order);
  const key = (row) =>
    textual ? row.cells[head.cellIndex].textContent.trim() : row.cells[head.cellIndex].dataset.sort;
  const compare = (a, b) => (textual ? key(a).localeCompare(key(b)) : Number(key(a)) - Number(key(b)));
  const rows = [...table.tBodies[0].rows];
  const known = rows.filter((row) => key(row) !== "").sort(compare);
  if (order === "descending") known.reverse();
  table.tBodies[0].append(...known, ...rows.filter((row) => key(row) === ""));
}
