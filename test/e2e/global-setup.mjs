import { installRealServers } from '../../tools/install-real-servers.mjs';

/** An end-to-end test without the real servers proves nothing: what cannot be installed fails the run. */
export default function setUp() {
  installRealServers();
}
