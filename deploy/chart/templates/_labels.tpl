{{- define "podwire.selector" -}}
app.kubernetes.io/name: podwire
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "podwire.podLabels" -}}
{{ include "podwire.selector" .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion }}
{{- end }}

{{- define "podwire.labels" -}}
{{ include "podwire.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "podwire.hasController" -}}
{{- with .Values.controller }}
{{- if or .podPools .namespacePools .lbPool .internalLbPool }}true{{ end }}
{{- end }}
{{- end }}

{{- define "podwire.gatewayImage" -}}
{{- $image := include "podwire.image" . }}
{{- if .Values.gateway.image }}
{{- .Values.gateway.image }}
{{- else if contains "@" $image }}
{{- fail "image has a digest: give gateway.image too" }}
{{- else }}
{{- regexReplaceAll "^(.*/)?([^/:]+)(:[^/]*)?$" $image "${1}${2}-gateway${3}" }}
{{- end }}
{{- end }}

{{- define "podwire.image" -}}
{{ .Values.image | default (printf "podwire:%s" .Chart.AppVersion) }}
{{- end }}
