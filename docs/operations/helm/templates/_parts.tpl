{{- define "safelight.labels" -}}
app.kubernetes.io/name: safelight
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "safelight.image" -}}
{{ .part.image.repository }}:{{ .part.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Who a pod is: nobody in particular, with the file system that it came with. */}}
{{- define "safelight.podSecurity" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "safelight.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "safelight.environment" -}}
env:
  - name: SAFELIGHT_REDIS_URL
    valueFrom:
      secretKeyRef: {name: {{ .Values.store.secret }}, key: {{ .urlKey }}}
  - name: SAFELIGHT_ARTIFACTS_URL
    value: {{ required "artifacts.url is required: pods share no directory" .Values.artifacts.url | quote }}
  {{- if .Values.catalogue }}
  - name: SAFELIGHT_CATALOGUE
    value: /catalogue/models.toml
  {{- end }}
  {{- range $name, $value := merge (dict "SAFELIGHT_FINE_TUNING" .Values.teacher.enabled) .own .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- with .Values.artifacts.credentialsSecret }}
envFrom:
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{- define "safelight.mounts" -}}
volumeMounts:
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
  {{- if .Values.catalogue }}
  - {name: catalogue, mountPath: /catalogue, readOnly: true}
  {{- end }}
  {{- with .part.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "safelight.volumes" -}}
volumes:
  - {name: data, emptyDir: {}}
  - {name: tmp, emptyDir: {}}
  {{- if .Values.catalogue }}
  - name: catalogue
    configMap: {name: {{ .Release.Name }}-catalogue}
  {{- end }}
  {{- with .part.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
