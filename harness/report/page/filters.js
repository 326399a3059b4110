// Which samples are listed. A row is [id, k, category, verdict, score, image, prompt, answer, reason].

/** Places of a row's values. */
export const ROW = Object.freeze({
  id: 0,
  k: 1,
  category: 2,
  verdict: 3,
  score: 4,
  image: 5,
  prompt: 6,
  answer: 7,
  reason: 8,
});

const SEARCHED = [ROW.id, ROW.category, ROW.prompt, ROW.answer, ROW.reason];

/** A test of rows: `filter.verdicts` is a set, empty for all; `filter.others` are the other run's rows. */
export function matcher(filter) {
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const other = filter.others;
  return (row, position) =>
    (filter.verdicts.size === 0 || filter.verdicts.has(row[ROW.verdict])) &&
    (filter.category === "" || row[ROW.category] === filter.category) &&
    (filter.flip === "" || (other !== null && flipped(row, other[position], filter.flip))) &&
    (words.length === 0 || contains(row, words));
}

function flipped(row, other, how) {
  if (other === undefined || other[ROW.id] !== row[ROW.id] || other[ROW.k] !== row[ROW.k]) return false;
  const here = row[ROW.verdict];
  const there = other[ROW.verdict];
  if (how === "gained") return here === "ok" && there !== "ok";
  if (how === "lost") return here !== "ok" && there === "ok";
  return here !== there;
}

function contains(row, words) {
  const text = SEARCHED.map((place) => row[place])
    .join("\n")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}
