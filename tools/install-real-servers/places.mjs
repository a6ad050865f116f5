// Paths of the installed servers, shared by the installer and test/support.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Everything that is expensive to create and safe to delete. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'llama-router-exporter');

/** A Debian unstable root with llama-server and the newer Prometheus and Alertmanager. */
export const sidRoot = join(cache, 'debian-sid');

/** A folder for each other build of llama-server. */
export const llamaServerBuilds = join(cache, 'llama-server');

/** Programs compiled from Go modules: helm, kubeconform, actionlint. */
export const goPrograms = join(cache, 'go-programs');

/** JSON schemas of Kubernetes and Prometheus Operator. */
export const kubernetesSchemas = join(cache, 'kubernetes-schemas');
