// Where the real servers live once they are installed. Shared by the installer and by test/support.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Everything that is costly to make and safe to delete: the Debian root, the big model, run folders. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'llama-router-exporter');

/** A Debian unstable root with llama-server and the new Prometheus pair. */
export const sidRoot = join(cache, 'debian-sid');

/** Programs that are compiled from Go modules: helm, kubeconform, actionlint. */
export const goPrograms = join(cache, 'go-programs');

/** What Kubernetes and Prometheus Operator accept, as JSON schemas. */
export const kubernetesSchemas = join(cache, 'kubernetes-schemas');
