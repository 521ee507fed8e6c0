{{/*
A file of rules with this release's own names. In the files themselves stand the namespace and the name that the README uses,
so that they are complete rules for Prometheus and promtool.
Usage: include "autoglm.rules" (dict "root" $ "path" "files/rules/nodes.yaml")
*/}}
{{- define "autoglm.rules" -}}
{{- $name := include "autoglm.name" .root -}}
{{- $text := .root.Files.Get .path | replace "autoglm-system" .root.Release.Namespace | replace `deployment="autoglm-` (printf `deployment="%s-` $name) -}}
{{- with .root.Values.monitoring.runbookBaseURL -}}
{{- $text = replace "runbook_url: runbooks/" (printf "runbook_url: %s/" (trimSuffix "/" .)) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* Paths of the groups of rules that are wanted, as a JSON list. */}}
{{- define "autoglm.rule-files" -}}
{{- $wanted := list -}}
{{- $rules := .Values.monitoring.rules -}}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" -}}
{{- if index $rules (trimSuffix ".yaml" (base $path)) -}}
{{- $wanted = append $wanted $path -}}
{{- end -}}
{{- end -}}
{{- toJson $wanted -}}
{{- end -}}
