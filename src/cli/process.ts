import { once } from 'node:events';

/** Resolves with the name of the first signal that asks this process to end. */
export async function untilSignal(): Promise<string> {
  const done = new AbortController();
  const signals = ['SIGTERM', 'SIGINT'].map((name) => once(process, name, { signal: done.signal }));
  const [name] = await Promise.race(signals);
  done.abort();
  return name;
}

const LISTEN_FAULTS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens on it',
  EACCES:
    'permission denied: ports below 1024 need privileges, and a socket needs a folder that this user may write',
  EROFS: 'its folder is read-only',
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is not a folder',
  ENOTSOCK: 'the path exists and is not a socket',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the host name cannot be resolved',
};

/** Why an address cannot be listened on; undefined for every other error. */
export function listenFaultOf(error: unknown): string | undefined {
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException;
  return ['listen', 'bind', 'getaddrinfo'].includes(syscall) ? LISTEN_FAULTS[code] : undefined;
}
