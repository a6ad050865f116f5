import type { IncomingHttpHeaders } from 'node:http';

/** Deeper than any request of ours, and far from where the stack would end. */
const DEEPEST = 32;

/** The value that a body holds, or what is wrong with it. */
export type JsonBody = { value: unknown } | { wrong: string };

/** Reads a body as JSON in UTF-8: an object. Keys `__proto__` are left out: copying them would change a prototype. */
export function parseJsonObject(bytes: Uint8Array): JsonBody {
  const text = decode(bytes);
  if (text === undefined) return { wrong: 'it is not UTF-8' };
  if (depthOf(text) > DEEPEST) return { wrong: `it is nested deeper than ${DEEPEST} levels` };
  let value: unknown;
  try {
    value = MAY_BE_PROTO.test(text) ? JSON.parse(text, withoutProto) : JSON.parse(text);
  } catch {
    // The message of the engine repeats the text around the fault.
    return { wrong: 'it is no valid JSON' };
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? { value } : { wrong: 'it is no JSON object' };
}

/** Why a body with these headers is not read; undefined when it is. */
export function mediaTypeFault(headers: IncomingHttpHeaders): string | undefined {
  const { 'content-type': contentType, 'content-encoding': encoding = 'identity' } = headers;
  if (encoding.toLowerCase() !== 'identity') return `Content-Encoding is ${encoding}: send the body as it is`;
  if (contentType === undefined) return 'Content-Type is missing: send application/json';
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  if (type !== 'application/json') return `Content-Type is ${type}: send application/json`;
  const strange = parameters.find((parameter) => !/^(charset="?utf-8"?)?$/.test(parameter));
  return strange === undefined ? undefined : `Content-Type says ${strange}: send UTF-8`;
}

/** What says `__proto__`, or escapes a letter of it. Looking at every key takes twenty times as long as reading. */
const MAY_BE_PROTO = /__proto__|\\u00(?:5f|70|72|6f|74)/i;

function withoutProto(key: string, inner: unknown): unknown {
  return key === '__proto__' ? undefined : inner;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** How deep the brackets outside of strings are nested. By hand: a pattern could be made to take minutes. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (inString) {
      if (character === '\\') i += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth -= 1;
  }
  return deepest;
}
