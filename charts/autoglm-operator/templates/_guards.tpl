{{/*
Whether the healer waits for the alert that always fires: Require or Off.
Usage: include "autoglm.deadMan" $
*/}}
{{- define "autoglm.deadMan" -}}
{{- /* YAML 1.1 reads an unquoted Off as false. */ -}}
{{- if eq (toString .Values.deadMan.mode) "false" -}}Off
{{- else -}}
{{- .Values.deadMan.mode | default (ternary "Require" "Off" (not (empty .Values.alertmanager.urls))) -}}
{{- end -}}
{{- end -}}

{{/*
What the healer is told about its guards, as a list of variables.
Usage: include "autoglm.guards" $ | fromYamlArray
*/}}
{{- define "autoglm.guards" -}}
{{- if and (eq (include "autoglm.deadMan" .) "Require") (empty .Values.alertmanager.urls) -}}
{{- fail "deadMan.mode Require needs somebody to ask, or nothing would ever be healed: set alertmanager.urls, or deadMan.mode to Off." -}}
{{- end -}}
- {name: AUTOGLM_DEAD_MAN_MODE, value: {{ include "autoglm.deadMan" . | quote }}}
- {name: AUTOGLM_DEAD_MAN_ALERT, value: {{ .Values.deadMan.alert | quote }}}
- {name: AUTOGLM_DEAD_MAN_TIMEOUT, value: {{ .Values.deadMan.timeout | quote }}}
- {name: AUTOGLM_BUDGET_MAX_CONCURRENT, value: {{ .Values.healing.budget.maxConcurrent | int | quote }}}
- {name: AUTOGLM_BUDGET_MAX_RUNS_PER_HOUR, value: {{ .Values.healing.budget.maxRunsPerHour | int | quote }}}
- {name: AUTOGLM_BUDGET_MAX_NODE_ACTIONS, value: {{ .Values.healing.budget.maxNodeActions | int | quote }}}
{{- end -}}
