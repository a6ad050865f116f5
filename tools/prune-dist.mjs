// Removes what dist/ has from sources that are gone: `npm pack` would ship it.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const entries = readdirSync(join(root, 'dist'), { recursive: true, withFileTypes: true });
for (const entry of entries) {
  const built = join(entry.parentPath, entry.name);
  const source = join(root, built.slice(join(root, 'dist').length));
  const isCurrent = entry.isDirectory()
    ? existsSync(source)
    : existsSync(source) || existsSync(source.replace(/\.js$/, '.ts'));
  if (!isCurrent) rmSync(built, { recursive: true, force: true });
}
