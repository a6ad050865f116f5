// The README of the chart: how it is installed, and every value.
import { chartValues, hasChildren } from './chart-values.mjs';

export function chartDocument() {
  return `<!-- Generated from values.yaml by \`npm run generate\`: edit there, or tools/chart-document.mjs. -->
# Helm chart of llama-router-exporter

One exporter for one or many llama.cpp routers in a cluster: a pod of its own, or a container beside llama-server. With
ServiceMonitor, PrometheusRule, dashboards and NetworkPolicy for those who want them. All of it, step by step:
[docs/kubernetes.md](../../../docs/kubernetes.md).

\`\`\`sh
helm install llama-router-exporter deploy/helm/llama-router-exporter --namespace llama \\
  --set image.repository=registry.example/llama-router-exporter \\
  --set 'config.routers[0].url=http://llama-server:8080'
\`\`\`

The pod runs as the Pod Security Standard "restricted" wants it: not as root, without privileges, with a root file system
that cannot be written, without an account at the cluster's API. There is one, always: two exporters that follow the same
router do not know of each other. A change of \`config\` or \`secrets.values\` replaces it; of Secrets that are not the
chart's it knows nothing: \`kubectl rollout restart\`, or \`POST /-/reload\`.

Rules and dashboards in \`files/\` are copies of those in \`prometheus/rules\` and \`grafana/dashboards\`; chart, program and
image have one version.

## Values

What is misspelt is refused (\`values.schema.json\`), down to the keys of \`config\`; so is what cannot work together, with
what to do instead.

| value | default | |
|---|---|---|
${rows().join('\n')}
`;
}

function rows() {
  const values = chartValues();
  return values.map(({ path, description, fallback }) => {
    const shown = hasChildren(values, path) ? '' : `\`${JSON.stringify(fallback)}\``;
    return `| \`${path.join('.')}\` | ${shown} | ${description.replaceAll('|', '\\|')} |`;
  });
}
