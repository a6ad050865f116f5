// The Node.js that goes into the executables: an official build, which npm distributes as node-linux-ARCHITECTURE.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

/**
 * The version of the container image, too. Node 25 and later need libatomic, which a minimal Debian or Red Hat
 * installation lacks.
 */
export const NODE_VERSION = '24.21.0';

/** What npm said of both packages when this version was chosen. */
const INTEGRITY = {
  x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};

/**
 * Downloads Node.js into the folder and checks it; npm keeps what it has downloaded. Returns the paths of program and
 * licence.
 * @param {'x64' | 'arm64'} cpu @param {string} folder
 */
export function downloadNode(cpu, folder) {
  const own = join(folder, `node-${cpu}`);
  mkdirSync(own);
  const name = `node-linux-${cpu}@${NODE_VERSION}`;
  const file = run('npm', ['pack', '--silent', '--prefer-offline', '--pack-destination', own, name]).trim();
  const archive = join(own, file);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity !== INTEGRITY[cpu]) {
    throw new Error(`${name} from npm has the integrity ${integrity}, not ${INTEGRITY[cpu]}`);
  }
  run('tar', ['-xf', archive, '-C', own, 'package/bin/node', 'package/LICENSE']);
  return { program: join(own, 'package/bin/node'), license: join(own, 'package/LICENSE') };
}
