import type { SilenceReason } from '../backends/llama-server/fault.ts';
import { excerpt, type Finding } from './finding.ts';
import type { RouterFacts } from './router-facts.ts';

/** Why a router does not answer in HTTP: the cause, what it means, what to do. */
const CAUSES: Record<
  SilenceReason,
  (facts: RouterFacts) => [cause: string, says: string, ...remedy: string[]]
> = {
  refused: (facts) => [
    'connection_refused',
    `${facts.host} refuses connections: no program listens there`,
    facts.isLoopback
      ? 'Start llama-server there. In a container, localhost is the container itself: use the name of the host.'
      : 'Start llama-server there with --host 0.0.0.0; by default it accepts only local connections.',
    'Or correct the address: --router URL, LLAMA_SERVER_URL, or routers[].url in the configuration file.',
    ...noPort(facts),
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
  no_connection: ({ host, timeoutSeconds, url }) => [
    'no_connection',
    `${host} does not respond: no connection within ${timeoutSeconds} s`,
    'Check that the machine is up and has this address, and that no firewall drops the packets.',
    `To try it from here: curl -v -m 10 ${url}/health`,
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
  certificate: ({ host, detail }) => [
    'certificate',
    `the certificate of ${host} is not trusted (${detail})`,
    CERTIFICATE_REMEDIES[detail] ??
      'Trust its CA: start the exporter with NODE_EXTRA_CA_CERTS=/path/to/ca.pem in its environment.',
  ],
  other: ({ scheme, host, detail }) => [
    'network_error',
    `the connection to ${host} fails: ${detail}`,
    `To try another client: curl -v ${scheme}://${host}/health`,
  ],
};

const CERTIFICATE_REMEDIES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'It has expired: renew it on the server.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'It is for another host name: use that name in the URL.',
};

export function diagnoseConnection(facts: RouterFacts): Finding {
  const { why, peer, host } = facts;
  const check = 'connection';
  if (!why) return { check, mark: 'ok', cause: 'fine', says: `${peer ?? host} answers`, remedy: [] };
  const [cause, says, ...remedy] = CAUSES[why](facts);
  return { check, mark: 'fail', cause, says, remedy };
}

/** A hint for a URL without a port. */
export function noPort({ url, scheme }: RouterFacts): string[] {
  if (new URL(url).port !== '') return [];
  return [`The URL has no port: ${scheme} uses ${scheme === 'https' ? 443 : 80}.`];
}
