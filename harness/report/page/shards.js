// Data in pieces: blocks inside the page, or scripts beside it that call `cheersBenchShard`.

const loaded = new Map();
const waiting = new Map();
const blocks = new Map();

for (const block of document.querySelectorAll("script[data-block]")) blocks.set(block.dataset.block, block);

globalThis.cheersBenchShard = (name, values) => {
  loaded.set(name, values);
  waiting.get(name)?.(values);
  waiting.delete(name);
};

/** The values of a shard, as a promise. */
export function shard(name) {
  if (loaded.has(name)) return loaded.get(name);
  const block = blocks.get(name);
  const promise = block ? Promise.resolve().then(() => JSON.parse(block.textContent)) : scripted(name);
  loaded.set(name, promise);
  return promise;
}

function scripted(name) {
  return new Promise((resolve, reject) => {
    waiting.set(name, resolve);
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => {
      loaded.delete(name);
      reject(new Error(`data/${name}.js can't be read: keep the folder of the report together`));
    });
    document.head.append(script);
  });
}

/** Where a picture of the report is: inside the page or beside it. */
export function picture(path) {
  const block = blocks.get(path);
  return block ? `data:image/webp;base64,${block.textContent}` : path;
}

/** All that is known about one sample. */
export async function body(group, part, position) {
  const number = part.bodies.findLastIndex((start) => start <= position);
  const values = await shard(`bodies-${group}-${part.run}-${number}`);
  return values[position - part.bodies[number]];
}
