{{/*
One process of the control plane: ServiceAccount, Deployment, PodDisruptionBudget.
Usage: include "autoglm.process" (dict "root" $ "component" "healer" "env" (list (dict "name" .. "value" ..)) "ports" (list ..) "volumes" (list ..) "mounts" (list ..))
*/}}
{{- define "autoglm.process" -}}
{{- $values := index .root.Values .component -}}
{{- $name := printf "%s-%s" (include "autoglm.name" .root) .component -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "autoglm.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "autoglm.labels" . | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels: {{- include "autoglm.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "autoglm.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: true
      # Variables named after Services (AUTOGLM_RECEIVER_PORT, ...) would be taken for settings.
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm:
              topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels: {{- include "autoglm.selector" . | nindent 18 }}
      containers:
      - name: {{ .component }}
        image: {{ include "autoglm.image" .root.Values.image }}
        imagePullPolicy: {{ .root.Values.image.pullPolicy }}
        args: [{{ .component }}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
        - {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: AUTOGLM_LOG_LEVEL, value: {{ $values.logLevel | quote }}}
        - {name: AUTOGLM_WATCH_NAMESPACES, value: {{ join "," .root.Values.watchNamespaces | quote }}}
        {{- range .env }}
        - {name: {{ .name }}, value: {{ .value | quote }}}
        {{- end }}
        ports:
        - {name: probes, containerPort: 8081}
        {{- range .ports }}
        - {name: {{ .name }}, containerPort: {{ .port }}}
        {{- end }}
        # The first list of every watched kind can take a while on a large cluster.
        startupProbe: {httpGet: {path: /healthz, port: probes}, periodSeconds: 2, failureThreshold: 60}
        livenessProbe: {httpGet: {path: /healthz, port: probes}, periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5}
        readinessProbe: {httpGet: {path: /readyz, port: probes}, periodSeconds: 5, timeoutSeconds: 5}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        resources: {{- toYaml $values.resources | nindent 10 }}
        volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- range .mounts }}
        - {{ toJson . }}
        {{- end }}
      volumes:
      - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
      {{- range .volumes }}
      - {{ toJson . }}
      {{- end }}
{{- if gt (int $values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "autoglm.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "autoglm.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
