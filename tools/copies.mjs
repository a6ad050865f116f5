// Copies between files that must each work alone: Open WebUI and ComfyUI import single files.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The text of the file, with `# Copied from FILE: PART` … `# End of PART` as `# Shared: PART` … has it in FILE. */
export function withCopies(file) {
  const text = readFileSync(join(root, file), 'utf8');
  return text.replace(/^(# Copied from (\S+): (\w+)\n)[\s\S]*?(?=^# End of \3$)/gm, (_, head, from, part) => {
    const shared = new RegExp(`^# Shared: ${part}\n([\\s\\S]*?)^# End of ${part}$`, 'm');
    const found = shared.exec(readFileSync(join(root, dirname(file), from), 'utf8'));
    if (!found) throw new Error(`${from} has no lines from '# Shared: ${part}' to '# End of ${part}'.`);
    return `${head}${found[1]}`;
  });
}
