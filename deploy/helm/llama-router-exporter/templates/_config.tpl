{{/* The exporter's configuration. */}}
{{- define "llama-router-exporter.config" -}}
{{- $url := eq .Values.mode "sidecar" | ternary "http://localhost:8080" "http://llama-server:8080" }}
{{- $usual := empty .Values.config.discovery | ternary (list (dict "url" $url)) (list) }}
{{- $routers := .Values.config.routers | default $usual }}
{{- toYaml (set (deepCopy .Values.config) "routers" $routers) }}
{{- end }}

{{/* The ports of routers and discovery groups, as a JSON list in `ports`. */}}
{{- define "llama-router-exporter.routerPorts" -}}
{{- $ports := list }}
{{- range (include "llama-router-exporter.config" . | fromYaml).routers }}
{{- $url := urlParse .url }}
{{- if has $url.scheme (list "http" "https") }}
{{- $usual := eq $url.scheme "https" | ternary "443" "80" }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default $usual | int) }}
{{- end }}
{{- end }}
{{- range .Values.config.discovery }}
{{- $ports = append $ports (.port | default 8080 | int) }}
{{- end }}
{{- dict "ports" ($ports | uniq) | toJson }}
{{- end }}

{{/* Reports all invalid combinations at once. The schema has already rejected unknown keys. */}}
{{- define "llama-router-exporter.refuse" -}}
{{- $wrong := list }}
{{- $folder := "/etc/llama-router-exporter/secrets/" }}
{{- $web := .Values.config.web | default dict }}
{{- if hasKey $web "listen_address" }}
{{- $wrong = append $wrong "config.web.listen_address: the container always listens on port 10180; remove it and set service.port" }}
{{- end }}
{{- if hasKey $web "config_file" }}
{{- $wrong = append $wrong "config.web.config_file: remove it and set webConfig.existingSecret to a Secret with web.yml" }}
{{- end }}
{{- $files := dict }}
{{- range $list := list "routers" "discovery" }}
{{- range $i, $element := index $.Values.config $list }}
{{- range $key := list "api_key" "password" }}
{{- if hasKey $element $key }}
{{- $wrong = append $wrong (printf "config.%s[%d].%s: users who can read ConfigMaps could read it; put it into secrets.values and set %s_file: %sNAME" $list $i $key $key $folder) }}
{{- end }}
{{- end }}
{{- range $key := list "api_key_file" "password_file" "ca_file" }}
{{- with index $element $key }}{{ $_ := set $files (printf "config.%s[%d].%s" $list $i $key) . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $i, $token := (.Values.config.auth | default dict).tokens }}
{{- if hasKey $token "token" }}
{{- $wrong = append $wrong (printf "config.auth.tokens[%d].token: users who can read ConfigMaps could read it; put it into secrets.values and set token_file: %sNAME" $i $folder) }}
{{- end }}
{{- with $token.token_file }}{{ $_ := set $files (printf "config.auth.tokens[%d].token_file" $i) . }}{{ end }}
{{- end }}
{{- range $key, $file := $files }}
{{- $name := trimPrefix $folder $file }}
{{- if and (hasPrefix $folder $file) (not $.Values.secrets.existingSecret) (not (hasKey $.Values.secrets.values $name)) }}
{{- $wrong = append $wrong (printf "%s: %s does not exist; add %q to secrets.values, or set secrets.existingSecret to a Secret with it" $key $file $name) }}
{{- end }}
{{- end }}
{{- if and .Values.secrets.existingSecret .Values.secrets.values }}
{{- $wrong = append $wrong "secrets: existingSecret and values exclude each other; keep one" }}
{{- end }}
{{- if and (or .Values.webConfig.tls .Values.webConfig.users) (not .Values.webConfig.existingSecret) }}
{{- $wrong = append $wrong "webConfig: tls and users describe a Secret; set webConfig.existingSecret" }}
{{- end }}
{{- if eq .Values.mode "sidecar" }}
{{- if not .Values.sidecar.podLabels }}
{{- $wrong = append $wrong "sidecar.podLabels: empty; set the labels of llama-server's pods, which the Service selects" }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- $wrong = append $wrong "networkPolicy.enabled: in mode sidecar it would cut off llama-server; write a policy for that pod and allow Prometheus on port 10180" }}
{{- end }}
{{- if .Values.hostPID }}
{{- $wrong = append $wrong "hostPID: in mode sidecar the pod does not belong to the chart; set hostPID, or better shareProcessNamespace: true, there" }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.routerPorts) }}
{{- range $i, $group := .Values.config.discovery }}
{{- if or $group.files (eq ($group.dns_type | default "SRV") "SRV") }}
{{- $wrong = append $wrong (printf "networkPolicy.routerPorts: empty, but the ports of config.discovery[%d] are unknown; list them here" $i) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.ingressFrom) }}
{{- $wrong = append $wrong "networkPolicy.ingressFrom: empty allows everyone; list allowed clients, or disable the policy" }}
{{- end }}
{{- $known := list }}
{{- range (.Files.Get "files/rules/thresholds.yml" | fromYaml).groups }}{{ range .rules }}{{ $known = append $known (trimPrefix "llama_router:threshold:" .record) }}{{ end }}{{ end }}
{{- range $name, $_ := .Values.prometheusRule.thresholds }}
{{- if not (has $name $known) }}
{{- $wrong = append $wrong (printf "prometheusRule.thresholds.%s: unknown; use one of %s" $name (join ", " $known)) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\nInvalid values for %s:\n  %s\n" .Chart.Name (join "\n  " $wrong)) }}
{{- end }}
{{- end }}
