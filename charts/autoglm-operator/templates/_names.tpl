{{/* Names and labels that more than one template uses. */}}

{{- define "autoglm.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Usage: include "autoglm.labels" (dict "root" $ "component" "healer") */}}
{{- define "autoglm.labels" -}}
app.kubernetes.io/name: autoglm-operator
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: autoglm
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "autoglm.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "autoglm.image" -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}

{{/* The user name that the API server sees for a component's ServiceAccount. */}}
{{- define "autoglm.user" -}}
system:serviceaccount:{{ .root.Release.Namespace }}:{{ include "autoglm.name" .root }}-{{ .component }}
{{- end -}}

{{/* Where Jobs clean nodes; only with nodeHealing.enabled. */}}
{{- define "autoglm.nodeJobs" -}}
{{- include "autoglm.name" . -}}-node-jobs
{{- end -}}

{{- define "autoglm.pullSecretNames" -}}
{{- $names := list -}}{{- range .Values.imagePullSecrets -}}{{- $names = append $names .name -}}{{- end -}}{{- join "," $names -}}
{{- end -}}
