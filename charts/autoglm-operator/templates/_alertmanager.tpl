{{/*
How a process reaches every Alertmanager: its variables, mounts and volumes.
Usage: include "autoglm.alertmanager" $ | fromYaml
*/}}
{{- define "autoglm.alertmanager" -}}
{{- $values := .Values.alertmanager -}}
{{- $env := list (dict "name" "AUTOGLM_ALERTMANAGER_URLS" "value" (join "," $values.urls)) -}}
{{- $mounts := list -}}
{{- $volumes := list -}}
{{- with $values.caSecret -}}
{{- $volumes = append $volumes (dict "name" "alertmanager-ca" "secret" (dict "secretName" .)) -}}
{{- $mounts = append $mounts (dict "name" "alertmanager-ca" "mountPath" "/etc/autoglm/alertmanager-ca" "readOnly" true) -}}
{{- $env = append $env (dict "name" "AUTOGLM_ALERTMANAGER_CA_FILE" "value" "/etc/autoglm/alertmanager-ca/ca.crt") -}}
{{- end -}}
{{- with $values.tokenSecret -}}
{{- $volumes = append $volumes (dict "name" "alertmanager-token" "secret" (dict "secretName" .)) -}}
{{- $mounts = append $mounts (dict "name" "alertmanager-token" "mountPath" "/etc/autoglm/alertmanager-token" "readOnly" true) -}}
{{- $env = append $env (dict "name" "AUTOGLM_ALERTMANAGER_TOKEN_FILE" "value" "/etc/autoglm/alertmanager-token/token") -}}
{{- end -}}
{{- toYaml (dict "env" $env "mounts" $mounts "volumes" $volumes) -}}
{{- end -}}
