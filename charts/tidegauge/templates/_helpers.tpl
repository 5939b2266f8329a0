{{/* Name of everything that is made in the release's namespace. */}}
{{- define "tidegauge.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $release := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default (printf "%s-operator" ($release | trunc 54 | trimSuffix "-")) .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "tidegauge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tidegauge.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the account to use, since serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Labels by which pods are selected. A Deployment's selector cannot be changed: none of these ever may. */}}
{{- define "tidegauge.selector" -}}
{{- toYaml (dict "app.kubernetes.io/name" "tidegauge-operator" "app.kubernetes.io/instance" .Release.Name) }}
{{- end }}

{{- define "tidegauge.labels" -}}
{{- include "tidegauge.labelsWith" (list . (dict)) }}
{{- end }}

{{/* Labels of an object that has more than the others. Takes a list: the root, and those. */}}
{{- define "tidegauge.labelsWith" -}}
{{- $root := index . 0 -}}
{{- $own := dict
      "app.kubernetes.io/part-of" "tidegauge"
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- /* Of a label that several have, the first one's value counts: a selector must go on finding its pods. */}}
{{- toYaml (merge $own (include "tidegauge.selector" $root | fromYaml) (index . 1) $root.Values.commonLabels) }}
{{- end }}

{{/* Labels of the pods, in the same order of precedence. */}}
{{- define "tidegauge.podLabels" -}}
{{- toYaml (merge (include "tidegauge.selector" . | fromYaml) .Values.podLabels .Values.commonLabels) }}
{{- end }}

{{/* An image's reference. Takes a list: the root, and one of .Values.images. */}}
{{- define "tidegauge.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- trimSuffix "/" (coalesce $image.registry $root.Values.image.registry) }}/{{ $image.repository -}}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The account that a role is bound to. */}}
{{- define "tidegauge.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "tidegauge.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
