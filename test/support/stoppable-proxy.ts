import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A TCP proxy that is a process of its own, so that it can stop accepting connections. */
export interface StoppableProxy {
  readonly url: string;
  /** Open connections get no answer, and new ones are not even accepted. */
  hang(): void;
  resume(): void;
  stop(): void;
}

/** More than its backlog: the kernel answers no further connection then. */
const FILLING = 4;

const PROXY = `
const { connect, createServer } = require('node:net');
const server = createServer((client) => {
  const router = connect(Number(process.argv[1]), '127.0.0.1');
  for (const [one, other] of [[client, router], [router, client]]) {
    one.pipe(other);
    one.on('error', () => {});
    one.on('close', () => other.destroy());
  }
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(String(server.address().port)));
`;

export async function startStoppableProxy(target: number): Promise<StoppableProxy> {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, '-e', PROXY, String(target)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [printed] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(printed.toString());
  const filling: Socket[] = [];
  return {
    url: `http://127.0.0.1:${port}`,
    hang() {
      child.kill('SIGSTOP');
      for (let count = 0; count < FILLING; count += 1) {
        filling.push(connect(port, '127.0.0.1').on('error', () => {}));
      }
    },
    resume() {
      for (const socket of filling.splice(0)) socket.destroy();
      child.kill('SIGCONT');
    },
    stop() {
      for (const socket of filling.splice(0)) socket.destroy();
      child.kill('SIGKILL');
    },
  };
}
