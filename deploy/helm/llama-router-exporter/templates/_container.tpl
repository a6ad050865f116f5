{{/*
The exporter's container: of the chart's own pod, or of another chart's that has this one as a dependency:
  containers:
    {{- include "llama-router-exporter.container" (index .Subcharts "llama-router-exporter") | nindent 4 }}
*/}}
{{- define "llama-router-exporter.container" -}}
- name: llama-router-exporter
  image: {{ include "llama-router-exporter.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - serve
    - --config.file=/etc/llama-router-exporter/config/config.yml
    - --web.listen-address=:10180
    {{- if .Values.webConfig.existingSecret }}
    - --web.config.file=/etc/llama-router-exporter/web/web.yml
    {{- end }}
  {{- with .Values.extraEnv }}
  env: {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - { name: exporter, containerPort: 10180, protocol: TCP }
  livenessProbe: {{- include "llama-router-exporter.probe" (list "/-/healthy" .) | nindent 4 }}
  readinessProbe: {{- include "llama-router-exporter.probe" (list "/-/ready" .) | nindent 4 }}
  {{- with .Values.resources }}
  resources: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext: {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - { name: exporter-config, mountPath: /etc/llama-router-exporter/config, readOnly: true }
    - { name: exporter-state, mountPath: /var/lib/llama-router-exporter }
    {{- if include "llama-router-exporter.secretName" . }}
    - { name: exporter-secrets, mountPath: /etc/llama-router-exporter/secrets, readOnly: true }
    {{- end }}
    {{- if .Values.webConfig.existingSecret }}
    - { name: exporter-web, mountPath: /etc/llama-router-exporter/web, readOnly: true }
    {{- end }}
    {{- with .Values.extraVolumeMounts }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}

{{/* The kubelet cannot send credentials; with users, probes only check the port. */}}
{{- define "llama-router-exporter.probe" -}}
{{- $path := index . 0 -}}
{{- with index . 1 -}}
{{- if .Values.webConfig.users -}}
tcpSocket: { port: exporter }
{{- else -}}
httpGet: { path: {{ $path }}, port: exporter, scheme: {{ .Values.webConfig.tls | ternary "HTTPS" "HTTP" }} }
{{- end }}
{{- end }}
periodSeconds: 10
timeoutSeconds: 3
{{- end }}

{{/* The volumes of that container. */}}
{{- define "llama-router-exporter.volumes" -}}
- name: exporter-config
  configMap: { name: {{ include "llama-router-exporter.fullname" . }} }
- name: exporter-state
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim: { claimName: {{ .Values.persistence.existingClaim | default (include "llama-router-exporter.fullname" .) }} }
  {{- else }}
  emptyDir: { sizeLimit: 100Mi }
  {{- end }}
{{- with include "llama-router-exporter.secretName" . }}
- name: exporter-secrets
  secret: { secretName: {{ . }} }
{{- end }}
{{- with .Values.webConfig.existingSecret }}
- name: exporter-web
  secret: { secretName: {{ . }} }
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations that restart the pod when its configuration changes. */}}
{{- define "llama-router-exporter.checksums" -}}
checksum/config: {{ include "llama-router-exporter.config" . | sha256sum }}
{{- with .Values.secrets.values }}
checksum/secrets: {{ toJson . | sha256sum }}
{{- end }}
{{- end }}
