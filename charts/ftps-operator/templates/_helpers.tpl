{{- define "ftps-operator.labels" -}}
app.kubernetes.io/name: ftps-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ftps-operator.selector" -}}
app.kubernetes.io/name: ftps-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ftps-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}{{ default .Release.Name .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- /* Operators of two classes lead side by side, also while a release goes from one to the other. */}}
{{- define "ftps-operator.leaseName" -}}
{{ .Release.Name }}{{ with .Values.operatorClass }}-{{ . }}{{ end }}
{{- end }}

{{- /* An image's reference: dict "image" (repository, tag, digest) "default" (tag). */}}
{{- define "ftps-operator.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}{{ else }}{{ .image.repository }}:{{ default .default .image.tag }}{{ end }}
{{- end }}

{{- /* What the operator may do with the objects of a namespace. */}}
{{- define "ftps-operator.rules" -}}
- apiGroups: [ftps-operator.io]
  resources: [ftpsservers]
  verbs: [get, list, watch]
- apiGroups: [ftps-operator.io]
  resources: [ftpsservers/status, ftpsusers/status]
  verbs: [patch]
# FtpsUsers are known by list and watch; none is read by itself.
- apiGroups: [ftps-operator.io]
  resources: [ftpsusers]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts, persistentvolumeclaims]
  verbs: [get, list, watch, create, patch, delete]
# Secrets are read by name, never listed or watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, watch, create, patch, delete]
# Only there cert-manager tells what an issuer lacks.
- apiGroups: [cert-manager.io]
  resources: [certificaterequests]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
