import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../../lib/error-code.ts';
import { matchesGlob } from '../../lib/glob.ts';
import { failed, ok, type Result } from '../../lib/result.ts';

const LARGEST_BYTES = 1024 * 1024;

/**
 * The files that a path names, in order; the last part of it may hold `*` and `?`. None where nothing is there:
 * a file that was deleted takes its routers with it.
 */
export async function filesOf(path: string): Promise<Result<string[], string>> {
  const [folder, pattern] = [dirname(path), basename(path)];
  try {
    // Not by the type of the entry: in Kubernetes the files of a ConfigMap are symbolic links.
    const names = (await readdir(folder)).filter((name) => matchesGlob(pattern, name)).sort();
    return ok(names.map((name) => join(folder, name)));
  } catch (error) {
    const code = codeOf(error);
    return code === 'ENOENT' ? ok([]) : failed(`${folder} cannot be read (${code})`);
  }
}

/** The text of a file. */
export async function textOf(file: string): Promise<Result<string, string>> {
  try {
    const { size } = await stat(file);
    if (size > LARGEST_BYTES) return failed(`${file} is larger than 1 MiB: name the right file`);
    return ok(await readFile(file, 'utf8'));
  } catch (error) {
    return failed(`${file} cannot be read (${codeOf(error)})`);
  }
}
