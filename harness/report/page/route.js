// The address after `#`: a view and what it shows, so that every view can be linked to.

/** The current view and its parameters. */
export function route() {
  const [view, query = ""] = location.hash.slice(1).split("?");
  return { view: view || "leaderboard", query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a view; empty parameters are left out. */
export function address(view, query = {}) {
  const kept = Object.entries(query).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  const text = new URLSearchParams(kept).toString();
  return `#${view}${text ? `?${text}` : ""}`;
}

/** Change the address without a new entry in the history. */
export function rewrite(view, query) {
  history.replaceState(null, "", address(view, query));
}
