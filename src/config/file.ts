import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../lib/error-code.ts';
import { failed, ok } from '../lib/result.ts';
import { isTree, type Layer } from './layer.ts';
import { formatPlace } from './options.ts';
import type { ConfigProblem } from './problem.ts';
import type { Parsed } from './values.ts';
import { parseYaml } from './yaml.ts';

const LARGEST_BYTES = 1024 * 1024;

/** The text of a file up to 1 MiB, or why it cannot be read and what to do; the caller names the file. */
export function readText(file: string): Parsed<string> {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return failed('is a directory: name a file in it');
    if (stat.size > LARGEST_BYTES) return failed('is larger than 1 MiB: name the right file');
    return ok(readFileSync(file, 'utf8'));
  } catch (error) {
    return failed(readFault(error));
  }
}

function readFault(error: unknown): string {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist: check the path';
  if (code === 'EACCES' || code === 'EPERM') {
    const user = process.geteuid === undefined ? 'the user of the service' : `user ${process.geteuid()}`;
    return `cannot be read: permission denied. Make it readable for ${user}`;
  }
  return `cannot be read: ${code}`;
}

/** The layer of a YAML file, empty with problems when the file cannot be used. Its paths are relative to it. */
export function fileLayer(file: string, exampleSection: string): { layer: Layer; problems: ConfigProblem[] } {
  const text = readText(file);
  const yaml = text.ok ? parseYaml(text.value) : failed([{ at: '', message: text.fault }]);
  const { value = {}, lineOf } = yaml.ok ? yaml.value : { lineOf: () => undefined };
  const faults = yaml.ok ? [] : yaml.fault;
  if (!isTree(value)) {
    faults.push({ at: '', message: `must be a mapping: begin with a section such as '${exampleSection}:'` });
  }
  const layer: Layer = {
    tree: isTree(value) ? value : {},
    directory: dirname(resolve(file)),
    locate(place) {
      const line = lineOf(place);
      return line === undefined ? undefined : { source: `${file}:${line}`, key: formatPlace(place) };
    },
  };
  const problems = faults.map(({ at, message }) => ({ source: `${file}${at}`, key: '', message }));
  return { layer, problems };
}

const END = '-----END CERTIFICATE-----';

/** Why a text is not a list of certificates; undefined when it is one. */
export function certificateFault(pem: string): string | undefined {
  const blocks = pem.split(END).slice(0, -1);
  return blocks.length > 0 && blocks.every(isCertificate)
    ? undefined
    : 'has no valid certificate in PEM format';
}

function isCertificate(block: string): boolean {
  try {
    new X509Certificate(`${block}${END}`);
    return true;
  } catch {
    return false;
  }
}

/** The certificates in a file; the fault names the file. */
export function readCertificates(file: string): Parsed<string> {
  const text = readText(file);
  const fault = text.ok ? certificateFault(text.value) : text.fault;
  return fault === undefined ? text : failed(`${file} ${fault}`);
}
