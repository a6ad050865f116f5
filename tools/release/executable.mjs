// A single executable: Node.js with the bundled program as a note, where Node.js looks for it.
// https://nodejs.org/docs/latest-v24.x/api/single-executable-applications.html
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripped, withNote } from './elf.mjs';
import { run } from './run.mjs';

/** Node.js looks for a program in itself if a 1 is here. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:';

/**
 * Turns a script, CommonJS in one file, into the content of the note.
 * @param {string} folder of the script @param {string} script its name, which stack traces show
 * @param {string} node a program of this machine's architecture
 * @param {boolean} withCode whether the note has the script's compiled code, too, which runs only on this architecture
 */
export function noteContent(folder, script, node, withCode) {
  const options = {
    main: script,
    output: 'note',
    useCodeCache: withCode,
    disableExperimentalSEAWarning: true,
  };
  writeFileSync(join(folder, 'note.json'), JSON.stringify(options));
  run(node, ['--experimental-sea-config', 'note.json'], { cwd: folder });
  return readFileSync(join(folder, 'note'));
}

/**
 * Writes the executable.
 * @param {string} file @param {string} node the program of Node.js @param {Buffer} content of the note
 */
export function writeExecutable(file, node, content) {
  const program = stripped(readFileSync(node));
  const fuse = program.indexOf(`${FUSE}0`);
  if (fuse === -1) throw new Error(`${node} is no Node.js that can become a single executable`);
  program.write('1', fuse + FUSE.length);
  writeFileSync(file, withNote(program, 'NODE_SEA_BLOB', content));
  chmodSync(file, 0o755);
}
