import * as z from 'zod';
import { failed } from '../lib/result.ts';
import * as f from './fields.ts';
import { readCertificates } from './file.ts';
import { nodesOf } from './options.ts';
import { type Parsed, parseVisibleText } from './values.ts';

/** How routers are reached, apart from their URLs. `env` adds the variables, which apply to every router. */
export function accessOptions(env: (name: string) => { env?: string }) {
  return {
    api_key: f.secret(
      'API key that llama-server requires (its `--api-key`); of several, the first is used.',
      {
        ...env('LLAMA_API_KEY'),
        isKeyList: true,
      },
    ),
    username: f.optional(
      'text',
      'User for a proxy that requires Basic authentication.',
      parseUsername,
      env('LLAMA_SERVER_USERNAME'),
    ),
    password: f.secret('Password of that user.', env('LLAMA_SERVER_PASSWORD')),
    ca_file: f.optional(
      'path',
      'CA certificates (PEM) to trust for https instead of the public ones; read again when it changes.',
      parseCaFile,
      { kind: 'path', ...env('LLAMA_SERVER_CA_FILE') },
    ),
    host_header: f.optional(
      'host or host:port',
      'Header `Host` to send instead of that of the URL; also the name that the certificate must have.',
      parseHost,
      env('LLAMA_SERVER_HOST_HEADER'),
    ),
  };
}

/** Those of a router. A variable applies to every router that does not have the option itself. */
export const OWN_ACCESS = accessOptions((env) => ({ env }));

/** The options that the variables set. */
export const accessSchema = f.checked(z.strictObject(OWN_ACCESS), checkAccess);

export const ACCESS_OPTIONS = nodesOf(accessSchema);

/** A user name ends at the first colon (RFC 7617). */
function parseUsername(value: unknown): Parsed<string> {
  const text = parseVisibleText(value);
  return text.ok && text.value.includes(':') ? failed('has a colon, which no user name can contain') : text;
}

/** The certificates are read here only to report a wrong file. */
function parseCaFile(value: unknown): Parsed<string> {
  const file = parseVisibleText(value);
  if (!file.ok) return file;
  const certificates = readCertificates(file.value);
  return certificates.ok ? file : certificates;
}

function parseHost(value: unknown): Parsed<string> {
  const text = parseVisibleText(value);
  if (!text.ok || /^(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(text.value)) return text;
  return failed(`'${text.value}' is not a host or host:port: write it like llama.example or localhost:8080`);
}

export function checkAccess(
  { username, password }: { username?: unknown; password?: unknown },
  wrong: f.Wrong,
): void {
  const [hasUser, hasPassword] = [username !== undefined, password !== undefined];
  if (hasUser && !hasPassword) wrong(['username'], 'has no password: add password_file');
  if (hasPassword && !hasUser) wrong(['password'], 'has no username: add it');
}
