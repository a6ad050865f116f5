// The old pair: the Prometheus and Alertmanager of the machine's own Debian release (12: 2.42 and 0.25).
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { aptInstall } from './shell.mjs';

const programs = ['/usr/bin/prometheus', '/usr/bin/promtool', '/usr/bin/prometheus-alertmanager'];

export function machinePairMissing() {
  return !programs.every((program) => existsSync(program));
}

export function installMachinePair() {
  withoutServices(() => aptInstall(['prometheus', 'prometheus-alertmanager']));
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
