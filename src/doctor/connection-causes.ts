import type { SilenceReason } from '../backends/fault.ts';
import { type CauseRow, excerpt, fail, fine, warn } from './finding.ts';
import type { RouterFacts } from './router-facts.ts';

const CORRECT_IT = '--router URL, LLAMA_SERVER_URL, or routers[].url in the configuration file';

/** Whether the router answers in HTTP, and to requests with this `Host`. */
export function connectionCauses(facts: RouterFacts): CauseRow[] {
  const { silence, host, hostname, scheme, timeoutSeconds, curl, hostRefusal, twin } = facts;
  const detail = excerpt(silence?.detail ?? '');
  const isSocket = facts.socketPath !== undefined;
  const spoken = silence?.why === 'speaks_http' ? 'http' : 'https';
  const is = (...reasons: SilenceReason[]) => silence !== undefined && reasons.includes(silence.why);
  return [
    fail(
      'connection_refused',
      is('refused') && !isSocket,
      `${host} refuses connections: no program listens there`,
      facts.isLoopback
        ? 'Start the server there. In a container, localhost is the container itself: use the name of the host.'
        : 'Start it there, a llama-server with --host 0.0.0.0: by default it accepts only local connections.',
      `Or correct the address: ${CORRECT_IT}.`,
      portHint(facts),
    ),
    fail(
      'no_socket',
      is('refused', 'no_socket'),
      `no program listens on the socket ${host}`,
      `Start llama-server with --host ${host} (the name must end in .sock), or correct the path: ${CORRECT_IT}.`,
      'If one was killed, first delete the socket that it left: it prevents the start.',
      'In a container, mount the folder of the socket: llama-server creates the socket at each start.',
    ),
    fail(
      'socket_not_permitted',
      is('no_permission') && isSocket,
      `user ${process.getuid?.()} may not connect to ${host}`,
      'Run the exporter as the user of llama-server. Or start llama-server with umask 007, so that its group may write to the socket, and add the exporter to that group.',
      `To see the permissions of the socket and its folders: namei -l ${host}`,
    ),
    fail(
      'unknown_host',
      is('unknown_host', 'no_name_server'),
      `the host name ${hostname} cannot be resolved`,
      'Check the spelling. In a container, use the name of the service, or an IP address.',
      `To see what this machine resolves: getent hosts ${hostname}. If it resolves nothing, see /etc/resolv.conf.`,
    ),
    fail(
      'no_connection',
      is('no_route', 'no_connection', 'no_permission'),
      `no connection to ${host}: ${detail || `no response within ${timeoutSeconds} s`}`,
      'Check that the machine is up and has this address, and that no firewall or sandbox is in the way.',
      `To try it from here: ${curl('/health', '-v -m 10 ')}`,
    ),
    fail(
      'no_answer',
      is('no_answer'),
      `${host} accepts connections but does not answer within ${timeoutSeconds} s`,
      'If this is the right server, it hangs: see its log, and restart it. Otherwise correct the port.',
      'With many clients, llama-server needs more HTTP workers: --threads-http 16. A llama-swap answers late while it unloads a busy model.',
    ),
    fail(
      'not_http',
      is('closed', 'not_http'),
      is('closed')
        ? `${host} closes the connection without an answer`
        : `${host} answers, but not in ${scheme.toUpperCase()}: ${detail}`,
      'llama-server closes connections while it starts or stops: try again.',
      'Otherwise another program has the port: run `ss -ltnp` on its machine. The default of llama-server and llama-swap is 8080.',
    ),
    fail(
      'wrong_scheme',
      is('speaks_tls', 'speaks_http') || facts.replies.some(wantsHttps),
      `${host} expects ${spoken.toUpperCase()}, but the URL says ${scheme}`,
      `Change the URL to ${facts.url.replace(/^https?:/, `${spoken}:`)}`,
    ),
    fail(
      'certificate',
      is('certificate'),
      `the certificate of ${host} is not trusted (${detail})`,
      ...certificateRemedy(facts, detail),
    ),
    fail(
      'client_certificate',
      is('client_certificate'),
      `${host} requires a client certificate (${detail})`,
      'The exporter cannot send one: let the server accept connections without, or connect to it directly.',
    ),
    fail(
      'network_error',
      silence !== undefined,
      `the connection to ${host} fails: ${detail}`,
      `To try another client: ${curl('/health', '-v ')}`,
    ),
    fail(
      'host_refused',
      hostRefusal !== undefined,
      `it does not accept requests for ${facts.host_header ?? host}: it answers ${hostRefusal?.status}`,
      'Set host_header under this router, or LLAMA_SERVER_HOST_HEADER, to a name that the server accepts, such as localhost.',
    ),
    warn(
      'same_server',
      twin !== undefined,
      `this is the same server as ${twin}: every model is counted twice`,
      'Remove one of the two from the configuration.',
    ),
    fine(true, `${facts.peer ?? host} answers`),
  ];
}

export function portHint({ hasPort, scheme }: RouterFacts): string | false {
  return !hasPort && `The URL has no port: ${scheme} uses ${scheme === 'https' ? 443 : 80}.`;
}

/** Servers that expect TLS answer a plain request with 400 and these words. */
function wantsHttps({ body }: { body: string }): boolean {
  return /HTTP request (was sent )?to (an )?HTTPS (port|server)/.test(body);
}

const CERTIFICATE_REMEDIES: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'It is not valid yet: compare the clocks of both machines.',
  CERT_HAS_EXPIRED: 'It has expired: renew it on the server.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'It is for another host name: use that name in the URL, or in host_header of this router.',
};

function certificateRemedy({ ca_file, host }: RouterFacts, code: string): string[] {
  const remedy = CERTIFICATE_REMEDIES[code];
  if (remedy !== undefined) return [remedy];
  return [
    ca_file === undefined
      ? 'Name a file with its CA in ca_file of this router, or in LLAMA_SERVER_CA_FILE.'
      : `Put its CA into ${ca_file} (ca_file): now the certificate is signed by another one.`,
    `To see its certificates: openssl s_client -connect ${host} -showcerts`,
  ];
}
