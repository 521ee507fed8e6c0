{{/*
Rights of one component: rules that hold in the watched namespaces (a ClusterRole bound everywhere, or a Role in each of
watchNamespaces), rules in the release namespace, and rules that only exist for the whole cluster.
Usage: include "autoglm.rights" (dict "root" $ "component" "healer" "watched" (list ..) "release" (list ..) "cluster" (list ..))
*/}}
{{- define "autoglm.rights" -}}
{{- $root := .root -}}
{{- $name := printf "%s-%s" (include "autoglm.name" .root) .component -}}
{{- $labels := include "autoglm.labels" . -}}
{{- $subject := dict "kind" "ServiceAccount" "name" $name "namespace" .root.Release.Namespace -}}
{{- $cluster := .cluster -}}
{{- if not .root.Values.watchNamespaces -}}{{- $cluster = concat .cluster .watched -}}{{- end -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
rules: {{- toYaml $cluster | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels: {{- $labels | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $name }}}
subjects: [{{ toJson $subject }}]
{{- if .release }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
rules: {{- toYaml .release | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects: [{{ toJson $subject }}]
{{- end }}
{{- $watched := .watched -}}
{{- range .root.Values.watchNamespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}-watched
  namespace: {{ . }}
  labels: {{- $labels | nindent 4 }}
rules: {{- toYaml $watched | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}-watched
  namespace: {{ . }}
  labels: {{- $labels | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}-watched}
subjects: [{{ toJson $subject }}]
{{- end }}
{{- end -}}
