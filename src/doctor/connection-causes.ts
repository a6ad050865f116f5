import type { SilenceReason } from '../backends/llama-server/fault.ts';
import { excerpt, type Finding } from './finding.ts';
import type { RouterFacts } from './router-facts.ts';

type Explanation = [cause: string, says: string, ...remedy: string[]];

/** Why a router does not answer in HTTP: the cause, what it means, what to do. */
const CAUSES: Record<SilenceReason, (facts: RouterFacts) => Explanation> = {
  refused: (facts) => (facts.socketPath === undefined ? refusedPort(facts) : refusedSocket(facts)),
  no_socket: ({ host }) => [
    'no_socket',
    `the socket ${host} does not exist`,
    `Start llama-server with --host ${host} (the name must end in .sock), or correct the path.`,
    'In a container, mount the folder of the socket: llama-server creates the socket at each start.',
  ],
  no_permission: ({ host, socketPath, detail }) =>
    socketPath === undefined
      ? [
          'not_permitted',
          `this machine does not permit connections to ${host} (${detail})`,
          'Check its outgoing firewall rules and the sandbox of the service (systemd: IPAddressDeny).',
        ]
      : [
          'socket_not_permitted',
          `user ${process.getuid?.()} may not connect to ${host} (${detail})`,
          'Run the exporter as the user of llama-server. Or start llama-server with umask 007, so that its group may write to the socket, and add the exporter to that group.',
          `To see the permissions of the socket and its folders: namei -l ${host}`,
        ],
  unknown_host: ({ hostname }) => [
    'unknown_host',
    `the host name ${hostname} does not exist`,
    'Check the spelling. In a container, use the name of the service, or an IP address.',
    `To see what this machine resolves: getent hosts ${hostname}`,
  ],
  no_name_server: ({ hostname }) => [
    'no_name_server',
    `no name server answers, so ${hostname} cannot be resolved`,
    'Repair the DNS of this machine (/etc/resolv.conf), or use the IP address of the router.',
  ],
  no_route: ({ host, detail }) => [
    'no_route',
    `no route to ${host} (${detail})`,
    'Check that the machine is up and that both are in the same network or VPN.',
  ],
  no_connection: ({ host, timeoutSeconds, curl }) => [
    'no_connection',
    `${host} does not respond: no connection within ${timeoutSeconds} s`,
    'Check that the machine is up and has this address, and that no firewall drops the packets.',
    `To try it from here: ${curl('/health', '-v -m 10 ')}`,
  ],
  no_answer: ({ host, timeoutSeconds }) => [
    'no_answer',
    `${host} accepts connections but does not answer within ${timeoutSeconds} s`,
    'If this is llama-server, it hangs: see its log, and restart it. Otherwise correct the port.',
    'With many clients it needs more HTTP workers: --threads-http 16.',
  ],
  closed: ({ host }) => [
    'connection_closed',
    `${host} closes the connection without an answer`,
    'llama-server does so while it starts or stops: try again.',
    'Otherwise another program has the port: run `ss -ltnp` on its machine.',
  ],
  not_http: ({ host, scheme, detail }) => [
    'not_http',
    `${host} answers, but not in ${scheme.toUpperCase()}: ${excerpt(detail)}`,
    'Another program has the port: run `ss -ltnp` on its machine. The default of llama-server is 8080.',
  ],
  speaks_tls: ({ host, url }) => [
    'https_expected',
    `${host} expects HTTPS, but the URL says http`,
    `Change the URL to ${url.replace(/^http:/, 'https:')}`,
  ],
  speaks_http: ({ host, url }) => [
    'http_expected',
    `${host} expects HTTP, but the URL says https`,
    `Change the URL to ${url.replace(/^https:/, 'http:')}`,
  ],
  certificate: (facts) => [
    'certificate',
    `the certificate of ${facts.host} is not trusted (${facts.detail})`,
    ...(CERTIFICATE_REMEDIES[facts.detail] ?? unknownCa(facts)),
  ],
  client_certificate: ({ host, detail }) => [
    'client_certificate',
    `${host} requires a client certificate (${detail})`,
    'The exporter cannot send one: let the server accept connections without, or connect to llama-server directly.',
  ],
  other: ({ host, detail, curl }) => [
    'network_error',
    `the connection to ${host} fails: ${detail}`,
    `To try another client: ${curl('/health', '-v ')}`,
  ],
};

const CORRECT_IT =
  'Or correct the address: --router URL, LLAMA_SERVER_URL, or routers[].url in the configuration file.';

function refusedPort(facts: RouterFacts): Explanation {
  return [
    'connection_refused',
    `${facts.host} refuses connections: no program listens there`,
    facts.isLoopback
      ? 'Start llama-server there. In a container, localhost is the container itself: use the name of the host.'
      : 'Start llama-server there with --host 0.0.0.0; by default it accepts only local connections.',
    CORRECT_IT,
    ...noPort(facts),
  ];
}

function refusedSocket({ host, isSocket }: RouterFacts): Explanation {
  if (isSocket === false) return ['no_socket', `${host} is not a socket`, CORRECT_IT.replace('Or c', 'C')];
  return [
    'connection_refused',
    `no program listens on the socket ${host}`,
    `Start llama-server with --host ${host}. If one was killed, first delete the socket that it left: it prevents the start.`,
    CORRECT_IT,
  ];
}

function unknownCa({ caFile, host }: RouterFacts): [string, string] {
  return [
    caFile === undefined
      ? 'Name a file with its CA in ca_file of this router, or in LLAMA_SERVER_CA_FILE.'
      : `Put its CA into ${caFile} (ca_file): now the certificate is signed by another one.`,
    `To see its certificates: openssl s_client -connect ${host} -showcerts`,
  ];
}

const CERTIFICATE_REMEDIES: Readonly<Record<string, readonly string[]>> = {
  CERT_NOT_YET_VALID: ['It is not valid yet: compare the clocks of both machines.'],
  CERT_HAS_EXPIRED: ['It has expired: renew it on the server.'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'It is for another host name: use that name in the URL, or in host_header of this router.',
  ],
};

export function diagnoseConnection(facts: RouterFacts): Finding {
  const { why, peer, host } = facts;
  const check = 'connection';
  if (!why) return { check, mark: 'ok', cause: 'fine', says: `${peer ?? host} answers`, remedy: [] };
  const [cause, says, ...remedy] = CAUSES[why](facts);
  return { check, mark: 'fail', cause, says, remedy };
}

/** A hint for a URL without a port. */
export function noPort({ url, socketPath, scheme }: RouterFacts): string[] {
  if (socketPath !== undefined || new URL(url).port !== '') return [];
  return [`The URL has no port: ${scheme} uses ${scheme === 'https' ? 443 : 80}.`];
}
