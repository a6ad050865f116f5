// Generates the chart's README with all values.
import { chartValues, hasChildren } from './chart-values.mjs';

export function chartDocument() {
  return `<!-- Generated from values.yaml by \`npm run generate\`: edit there, or tools/chart-document.mjs. -->
# Helm chart of llama-router-exporter

Installs one exporter for one or many llama.cpp routers, as a separate pod or as a sidecar of llama-server, optionally with
ServiceMonitor, PrometheusRule, dashboards and NetworkPolicy. Documentation: [Kubernetes](../../../docs/kubernetes.md).

\`\`\`sh
helm install llama-router-exporter deploy/helm/llama-router-exporter --namespace llama \\
  --set image.repository=registry.example/llama-router-exporter \\
  --set 'config.routers[0].url=http://llama-server:8080'
\`\`\`

The pod complies with the Pod Security Standard "restricted": no root, no privileges, a read-only root file system and no
service account token. There is always one pod, because exporters do not share state. Changes of \`config\` or
\`secrets.values\` restart it. After changes of other Secrets, run \`kubectl rollout restart\` or \`POST /-/reload\`.

\`files/\` holds copies of \`prometheus/rules\` and \`grafana/dashboards\`. Chart, program and image have the same version.

## Values

Unknown keys are rejected (\`values.schema.json\`), including those of \`config\`. Invalid combinations are rejected with advice.

| Value | Default | |
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
