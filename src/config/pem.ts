import { X509Certificate } from 'node:crypto';
import { failed } from '../lib/result.ts';
import { readText } from './file.ts';
import type { Parsed } from './values.ts';

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
