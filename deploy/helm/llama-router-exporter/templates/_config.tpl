{{/* The configuration file as the exporter reads it. */}}
{{- define "llama-router-exporter.config" -}}
{{- $url := eq .Values.mode "sidecar" | ternary "http://localhost:8080" "http://llama-server:8080" }}
{{- $usual := empty .Values.config.discovery | ternary (list (dict "url" $url)) (list) }}
{{- $routers := .Values.config.routers | default $usual }}
{{- toYaml (set (deepCopy .Values.config) "routers" $routers) }}
{{- end }}

{{/* The ports that the routers' URLs and the groups of discovery name, as a JSON list in `ports`. */}}
{{- define "llama-router-exporter.routerPorts" -}}
{{- $ports := list }}
{{- range (include "llama-router-exporter.config" . | fromYaml).routers }}
{{- $url := urlParse .url }}
{{- $usual := eq $url.scheme "https" | ternary "443" "80" }}
{{- $ports = append $ports (regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default $usual | int) }}
{{- end }}
{{- range .Values.config.discovery }}
{{- $ports = append $ports (.port | default 8080 | int) }}
{{- end }}
{{- dict "ports" ($ports | uniq) | toJson }}
{{- end }}

{{/* Everything about the values that cannot work, told at once. The schema has refused what is misspelt before. */}}
{{- define "llama-router-exporter.refuse" -}}
{{- $wrong := list }}
{{- $folder := "/etc/llama-router-exporter/secrets/" }}
{{- $web := .Values.config.web | default dict }}
{{- if hasKey $web "listen_address" }}
{{- $wrong = append $wrong "config.web.listen_address: the container always listens on port 10180: leave it out, and set service.port" }}
{{- end }}
{{- if hasKey $web "config_file" }}
{{- $wrong = append $wrong "config.web.config_file: leave it out, and name a Secret with web.yml in webConfig.existingSecret" }}
{{- end }}
{{- $files := dict }}
{{- range $list := list "routers" "discovery" }}
{{- range $i, $element := index $.Values.config $list }}
{{- if hasKey $element "api_key" }}
{{- $wrong = append $wrong (printf "config.%s[%d].api_key: everybody who may read ConfigMaps could read it: put it into secrets.values, and write api_key_file: %sNAME" $list $i $folder) }}
{{- end }}
{{- with $element.api_key_file }}{{ $_ := set $files (printf "config.%s[%d].api_key_file" $list $i) . }}{{ end }}
{{- end }}
{{- end }}
{{- range $i, $token := (.Values.config.auth | default dict).tokens }}
{{- if hasKey $token "token" }}
{{- $wrong = append $wrong (printf "config.auth.tokens[%d].token: everybody who may read ConfigMaps could read it: put it into secrets.values, and write token_file: %sNAME" $i $folder) }}
{{- end }}
{{- with $token.token_file }}{{ $_ := set $files (printf "config.auth.tokens[%d].token_file" $i) . }}{{ end }}
{{- end }}
{{- range $key, $file := $files }}
{{- $name := trimPrefix $folder $file }}
{{- if and (hasPrefix $folder $file) (not $.Values.secrets.existingSecret) (not (hasKey $.Values.secrets.values $name)) }}
{{- $wrong = append $wrong (printf "%s: there is no %s: add %q to secrets.values, or name a Secret that has it in secrets.existingSecret" $key $file $name) }}
{{- end }}
{{- end }}
{{- if and .Values.secrets.existingSecret .Values.secrets.values }}
{{- $wrong = append $wrong "secrets: existingSecret and values exclude each other: keep one" }}
{{- end }}
{{- if and (or .Values.webConfig.tls .Values.webConfig.users) (not .Values.webConfig.existingSecret) }}
{{- $wrong = append $wrong "webConfig: tls and users tell what is in the Secret: name it in webConfig.existingSecret" }}
{{- end }}
{{- if eq .Values.mode "sidecar" }}
{{- if not .Values.sidecar.podLabels }}
{{- $wrong = append $wrong "sidecar.podLabels: empty: write the labels of llama-server's pods, for the Service to find the exporter in them" }}
{{- end }}
{{- if .Values.networkPolicy.enabled }}
{{- $wrong = append $wrong "networkPolicy.enabled: in mode sidecar it would cut off llama-server, whose pod it is: write the policy there, and let Prometheus in on port 10180" }}
{{- end }}
{{- if .Values.hostPID }}
{{- $wrong = append $wrong "hostPID: in mode sidecar the pod is not the chart's: set it there, or better shareProcessNamespace: true" }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.routerPorts) }}
{{- range $i, $group := .Values.config.discovery }}
{{- if or $group.files (eq ($group.dns_type | default "SRV") "SRV") }}
{{- $wrong = append $wrong (printf "networkPolicy.routerPorts: empty: the ports of config.discovery[%d] are not known beforehand: write them there" $i) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.ingressFrom) }}
{{- $wrong = append $wrong "networkPolicy.ingressFrom: empty means everybody to Kubernetes: name those who may reach the exporter, or disable the policy" }}
{{- end }}
{{- $known := list }}
{{- range (.Files.Get "files/rules/thresholds.yml" | fromYaml).groups }}{{ range .rules }}{{ $known = append $known (trimPrefix "llama_router:threshold:" .record) }}{{ end }}{{ end }}
{{- range $name, $_ := .Values.prometheusRule.thresholds }}
{{- if not (has $name $known) }}
{{- $wrong = append $wrong (printf "prometheusRule.thresholds.%s: there is none of that name: there are %s" $name (join ", " $known)) }}
{{- end }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "\n\nThe values of %s cannot work:\n  %s\n" .Chart.Name (join "\n  " $wrong)) }}
{{- end }}
{{- end }}
