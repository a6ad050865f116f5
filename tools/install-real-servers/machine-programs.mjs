// Packages of the machine's Debian release (versions of Debian 12): Prometheus 2.42, Alertmanager 0.25, nginx 1.22, dnsmasq
// 2.90, Chromium, and tools to check scripts and units.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { aptInstall } from './shell.mjs';

/** Packages, and programs that show that they are installed. */
const packages = {
  prometheus: ['/usr/bin/prometheus', '/usr/bin/promtool'],
  'prometheus-alertmanager': ['/usr/bin/prometheus-alertmanager'],
  'nginx-light': ['/usr/sbin/nginx'],
  chromium: ['/usr/bin/chromium'],
  'dnsmasq-base': ['/usr/sbin/dnsmasq'],
  // For docs/recipes.md and its scripts.
  curl: ['/usr/bin/curl'],
  jq: ['/usr/bin/jq'],
  shellcheck: ['/usr/bin/shellcheck'],
  systemd: ['/usr/bin/systemd-analyze'],
  // For completions and the manual page.
  zsh: ['/usr/bin/zsh'],
  fish: ['/usr/bin/fish'],
  mandoc: ['/usr/bin/mandoc'],
  // For the image and the network of the compose file's services.
  buildah: ['/usr/bin/buildah'],
  iproute2: ['/usr/sbin/ip'],
  // For the packages of a release.
  rpm: ['/usr/bin/rpm', '/usr/bin/rpmbuild'],
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

/** This file prevents that Debian's packages start their services. */
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
