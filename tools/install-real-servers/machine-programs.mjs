// What comes from the machine's own Debian release (12: in brackets): the old pair, Prometheus (2.42) and
// Alertmanager (0.25), nginx (1.22), a name server (2.90) and a browser for the page; and the programs that scripts and units are tried and checked with.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { aptInstall } from './shell.mjs';

/** Packages, and the programs that tell that they are there. */
const packages = {
  prometheus: ['/usr/bin/prometheus', '/usr/bin/promtool'],
  'prometheus-alertmanager': ['/usr/bin/prometheus-alertmanager'],
  'nginx-light': ['/usr/sbin/nginx'],
  chromium: ['/usr/bin/chromium'],
  'dnsmasq-base': ['/usr/sbin/dnsmasq'],
  // For docs/recipes.md and what is shipped with it.
  curl: ['/usr/bin/curl'],
  jq: ['/usr/bin/jq'],
  shellcheck: ['/usr/bin/shellcheck'],
  systemd: ['/usr/bin/systemd-analyze'],
  // For the image, and for the network in which the compose file's services are started.
  buildah: ['/usr/bin/buildah'],
  iproute2: ['/usr/sbin/ip'],
};

export function machineProgramsMissing() {
  return missing().length > 0;
}

export function installMachinePrograms() {
  withoutServices(() => aptInstall(missing()));
}

function missing() {
  return Object.entries(packages)
    .filter(([, programs]) => !programs.every((program) => existsSync(program)))
    .map(([name]) => name);
}

const policy = '/usr/sbin/policy-rc.d';
const forbid =
  '#!/bin/sh\n# llama-router-exporter: here only while its test programs are installed.\nexit 101\n';

/** Debian's packages start their daemons when installed, unless this file forbids it. */
function withoutServices(install) {
  const theirs = existsSync(policy) && readFileSync(policy, 'utf8') !== forbid;
  if (theirs) return install();
  writeFileSync(policy, forbid, { mode: 0o755 });
  try {
    return install();
  } finally {
    rmSync(policy);
  }
}
