"use strict";
for (const [index, button] of [...document.querySelectorAll("#scores thead button")].entries()) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = document.querySelector("#scores tbody");
    const best = head.dataset.direction === "lower" || index === 0 ? "ascending" : "descending";
    const other = best === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === best ? other : best;
    for (const cell of head.parentElement.children) cell.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", order);
    const key = (row) => index === 0 ? row.cells[0].textContent : row.cells[index].dataset.sort;
    const compare = (a, b) => {
      if (index === 0) return key(a).localeCompare(key(b));
      if (key(a) === "" || key(b) === "") return 0;
      return Number(key(a)) - Number(key(b));
    };
    const known = [...body.rows].filter((row) => index === 0 || key(row) !== "").sort(compare);
    const unknown = [...body.rows].filter((row) => index !== 0 && key(row) === "");
    if (order === "descending") known.reverse();
    body.append(...known, ...unknown);  // what has no number stays below
  });
}
if (location.hash) document.querySelector(location.hash)?.setAttribute("open", "");
addEventListener("hashchange", () => document.querySelector(location.hash)?.setAttribute("open", ""));
