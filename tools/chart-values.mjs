// Reads the values and their descriptions from values.yaml: a comment that begins with `# --` describes the key below it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const chartFolder = fileURLToPath(new URL('../deploy/helm/llama-router-exporter', import.meta.url));

/** All documented values in order: `{path, description, fallback}`. Throws if a key has no comment. */
export function chartValues() {
  const text = readFileSync(`${chartFolder}/values.yaml`, 'utf8');
  const defaults = parse(text);
  const values = [];
  const above = [];
  let comment = [];
  for (const line of text.split('\n')) {
    const [, indent, word, key] = /^( *)(?:# (-- )?.*|([\w-]+):.*)$/.exec(line) ?? [];
    if (key === undefined) {
      if (word !== undefined) comment = [line.trim().slice('# -- '.length)];
      else if (comment.length > 0 && indent !== undefined) comment.push(line.trim().slice('# '.length));
      continue;
    }
    const depth = indent.length / 2;
    above.splice(depth, above.length, key);
    const fallback = above.reduce((tree, step) => tree?.[step], defaults);
    if (comment.length > 0) values.push({ path: [...above], description: comment.join(' '), fallback });
    else if (!isInside(values, above) && !isMapping(fallback))
      throw new Error(`values.yaml: ${above.join('.')} has no comment that begins with '# --'`);
    comment = [];
  }
  return values;
}

/** Whether the value has documented children. */
export function hasChildren(values, path) {
  return values.some(
    (other) => other.path.length > path.length && path.every((step, i) => other.path[i] === step),
  );
}

/** Whether the key belongs to a default that is documented as a whole, such as `resources`. */
function isInside(values, path) {
  return values.some((other) => other.path.length < path.length && other.path.every((s, i) => path[i] === s));
}

function isMapping(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
