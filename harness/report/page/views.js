// One view at a time, chosen by the address; without scripts they stand below one another.

/** Show a view and mark it in the navigation; an unknown name shows the first. */
export function showView(name) {
  const sections = [...document.querySelectorAll("[data-view]")];
  const chosen = sections.find((section) => section.dataset.view === name) ?? sections[0];
  for (const section of sections) section.hidden = section !== chosen;
  const tab = chosen.dataset.parent ?? chosen.dataset.view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${tab}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  return chosen.dataset.view;
}

/** Show one pair of compared runs at a time. */
export function pairs(form) {
  const articles = [...document.querySelectorAll("[data-pair]")];
  const show = () => {
    for (const article of articles) {
      article.hidden = article.dataset.pair !== form.elements.pair.value;
      for (const row of article.querySelectorAll("tbody tr:not(.primary)"))
        row.hidden = !form.elements.all.checked;
    }
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", show);
  show();
}
