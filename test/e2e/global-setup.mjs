import { execFileSync } from 'node:child_process';
import { installRealServers } from '../../tools/install-real-servers.mjs';

/**
 * An end-to-end test without the real servers proves nothing: what cannot be installed fails the run. Benches run in several
 * suites at the same time, so their modules are built before.
 */
export default function setUp() {
  installRealServers();
  execFileSync('npm', ['run', '--silent', 'build:modules'], { stdio: 'inherit' });
}
