import type { Why } from '../backends/llama-server/silence.ts';
import type { RouterEvidence } from './evidence.ts';
import type { Cause, Finding } from './finding.ts';
import { shorten } from './identify.ts';

/** What it means that there was no answer in HTTP, and what to do. */
export function diagnoseSilence(evidence: RouterEvidence, why: Why, detail: string): Finding {
  const { cause, says, remedy } = explain(evidence, why, detail);
  return { check: 'connection', mark: 'fail', cause, says, remedy };
}

function explain(
  { url, timeoutSeconds }: RouterEvidence,
  why: Why,
  detail: string,
): { cause: Cause; says: string; remedy: string[] } {
  const { host, hostname, port, protocol } = new URL(url);
  const isLoopback = /^(localhost|127\..*|\[::1\])$/.test(hostname);
  const address = 'Or give the right address: --router URL, LLAMA_SERVER_URL, or routers[].url in the file.';
  const noPort =
    port === ''
      ? [`The URL names no port: ${protocol.slice(0, -1)} takes ${protocol === 'https:' ? 443 : 80}.`]
      : [];
  const container = "In a container, localhost is the container itself: give the host's name instead.";
  switch (why) {
    case 'refused':
      return {
        cause: 'connection_refused',
        says: `${host} refuses connections: nothing listens there`,
        remedy: [
          isLoopback
            ? 'Start llama-server there.'
            : 'Start llama-server there, with --host 0.0.0.0: by default only its own machine reaches it.',
          address,
          ...noPort,
          ...(isLoopback ? [container] : []),
        ],
      };
    case 'unknown_host':
      return {
        cause: 'unknown_host',
        says: `there is no host named ${hostname}`,
        remedy: [
          'Check the spelling; in a container, use the name of the service, or an IP address.',
          `What this machine knows of it: getent hosts ${hostname}`,
        ],
      };
    case 'no_name_server':
      return {
        cause: 'no_name_server',
        says: `no name server answers, so ${hostname} cannot be looked up`,
        remedy: ['Mend the DNS of this machine (/etc/resolv.conf), or give the router by its IP address.'],
      };
    case 'no_route':
      return {
        cause: 'no_route',
        says: `there is no way to ${host} from here (${detail})`,
        remedy: ['Check that its machine is on and that this one is in the same network or VPN.'],
      };
    case 'no_connection':
      return {
        cause: 'no_connection',
        says: `${host} does not react at all: no connection within ${timeoutSeconds} s`,
        remedy: [
          'Check that its machine is on and has this address, and that no firewall drops the packets.',
          `From here: curl -v -m 10 ${url}/health`,
        ],
      };
    case 'no_answer':
      return {
        cause: 'no_answer',
        says: `${host} takes connections, and gives no answer within ${timeoutSeconds} s`,
        remedy: [
          'If this is llama-server, it hangs: look at its log, and restart it.',
          'With many clients it needs more HTTP workers: --threads-http 16.',
          'If this is something else, the port is wrong.',
        ],
      };
    case 'closed':
      return {
        cause: 'connection_closed',
        says: `${host} closes the connection instead of answering`,
        remedy: [
          'A llama-server that is just starting or ending does so: try again.',
          'If it stays so, the port is that of another program: `ss -ltnp` on its machine tells.',
        ],
      };
    case 'not_http':
      return {
        cause: 'not_http',
        says: `${host} answers, but does not speak ${protocol === 'https:' ? 'HTTPS' : 'HTTP'}: ${shorten(detail)}`,
        remedy: [
          'The port is that of another program: `ss -ltnp` on its machine tells which is whose.',
          "llama-server's own default is 8080.",
        ],
      };
    case 'speaks_tls':
      return {
        cause: 'https_expected',
        says: `${host} speaks HTTPS, and the URL says http`,
        remedy: [`Write ${url.replace(/^http:/, 'https:')}`],
      };
    case 'speaks_http':
      return {
        cause: 'http_expected',
        says: `${host} does not speak HTTPS, and the URL says https`,
        remedy: [`Write ${url.replace(/^https:/, 'http:')}`],
      };
    case 'certificate':
      return {
        cause: 'certificate',
        says: `the certificate of ${host} is not trusted (${detail})`,
        remedy: certificateRemedy(detail),
      };
    case 'other':
      return {
        cause: 'network_error',
        says: `${host} cannot be talked to: ${detail}`,
        remedy: [`See what another program makes of it: curl -v ${protocol}//${host}/health`],
      };
  }
}

function certificateRemedy(code: string): string[] {
  if (code === 'CERT_HAS_EXPIRED') return ['It has expired: renew it on the server.'];
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return ['It is for another name: use in the URL the host name that the certificate was made for.'];
  }
  return [
    'Trust who signed it: start this program with NODE_EXTRA_CA_CERTS=/path/to/ca.pem in its environment.',
  ];
}
