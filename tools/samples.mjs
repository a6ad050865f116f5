// Fills the samples of documents: the text between `<!-- sample: NAME -->` and `<!-- /sample -->`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const read = (file) => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), 'utf8');

/** Each sample comes from a golden file, so a test fails when the product no longer produces it. */
const SAMPLES = {
  scrape: () =>
    fenced(
      read('test/golden/scrape-busy-text.prom')
        .split('\n')
        .filter((line) => /^llama_router_(up|models_max)\{router="gpu-box"|model="qwen3-8b"/.test(line))
        .filter((line) => !/_bucket\{| 0$/.test(line)),
    ),
  unload: () => {
    const output = read('test/golden/unload-all.txt').trimEnd().split('\n');
    return fenced(["$ llama-router-exporter unload-all --keep 'embed*'", ...output], 'console');
  },
};

export function withSamples(file) {
  return read(file).replaceAll(
    /(<!-- sample: (\w+) -->\n)[\s\S]*?(<!-- \/sample -->)/g,
    (_, start, name, end) => {
      if (SAMPLES[name] === undefined) throw new Error(`${file}: there is no sample ${name}`);
      return `${start}${SAMPLES[name]()}${end}`;
    },
  );
}

function fenced(lines, language = 'text') {
  return `\`\`\`${language}\n${lines.join('\n')}\n\`\`\`\n`;
}
