"""The manifests of deploy/kubernetes: Kubernetes' own schemas, and what refers to what."""

from __future__ import annotations

import re

import kubernetes_validate
import pytest
import yaml

from mme.core.settings import Settings
from mme.core.version import VERSION
from tests.support.endpoint import PROJECT
from tests.support.kustomize import built

FOLDER = PROJECT / "deploy" / "kubernetes"
WORKLOADS = ("Deployment", "StatefulSet")
OVERLAYS = ("single", "spread")
INVOKE_S = Settings().invoke_timeout_s


@pytest.fixture(params=OVERLAYS)
def objects(request):
    return built(FOLDER / request.param)


def of_kind(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def endpoint_of(objects):
    [found] = [each for each in of_kind(objects, *WORKLOADS) if each["metadata"]["name"] == "mme"]
    return found


def pods(objects):
    return [each["spec"]["template"] for each in of_kind(objects, *WORKLOADS)]


def labels_of(template):
    return template["metadata"]["labels"]


def matches(selector, labels):
    return selector.items() <= labels.items()


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_kubernetes_takes_each_object(objects, version):
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_field_is_refused_by_the_same_schemas(objects):
    endpoint = endpoint_of(objects)
    endpoint["spec"]["template"]["spec"]["containers"][0]["readinessprobe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(endpoint, "1.37", strict=True)


def test_the_service_monitor_chooses_the_service_of_each_container(objects):
    [monitor] = built(FOLDER / "monitoring")
    assert (monitor["apiVersion"], monitor["kind"]) == (
        "monitoring.coreos.com/v1", "ServiceMonitor",
    )  # fmt: skip
    chosen = [
        each
        for each in of_kind(objects, "Service")
        if matches(monitor["spec"]["selector"]["matchLabels"], each["metadata"]["labels"])
    ]
    assert [each["metadata"]["name"] for each in chosen] == ["mme-each"]
    [scraped] = monitor["spec"]["endpoints"]
    assert scraped["port"] in {port["name"] for port in chosen[0]["spec"]["ports"]}
    assert scraped["path"] == "/metrics"


def test_selectors_choose_pods_and_services_lead_to_ports_they_have(objects):
    for workload in of_kind(objects, *WORKLOADS):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert matches(selector, labels_of(workload["spec"]["template"]))
    for service in of_kind(objects, "Service"):
        [template] = [
            each for each in pods(objects) if matches(service["spec"]["selector"], labels_of(each))
        ]
        ports = {
            port["name"]
            for container in template["spec"]["containers"]
            for port in container["ports"]
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    endpoint = labels_of(endpoint_of(objects)["spec"]["template"])
    [budget] = of_kind(objects, "PodDisruptionBudget")
    assert matches(budget["spec"]["selector"]["matchLabels"], endpoint)
    [policy] = of_kind(objects, "NetworkPolicy")
    assert matches(policy["spec"]["podSelector"]["matchLabels"], endpoint)


def test_what_pods_refer_to_is_there(objects):
    maps = {each["metadata"]["name"] for each in of_kind(objects, "ConfigMap")}
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    for workload in of_kind(objects, *WORKLOADS):
        spec = workload["spec"]["template"]["spec"]
        assert spec.get("serviceAccountName") in {*accounts, None}
        named = {each["name"] for each in spec.get("volumes", [])} | {
            each["metadata"]["name"] for each in workload["spec"].get("volumeClaimTemplates", [])
        }
        for volume in spec.get("volumes", []):
            assert volume.get("configMap", {}).get("name") in {*maps, None}
        for container in spec["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} <= named
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", {}).get("name") in {*maps, None}


def test_what_is_scaled_is_the_endpoint_within_the_places_of_the_ring(objects):
    endpoint = endpoint_of(objects)
    [scaler] = of_kind(objects, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (endpoint["kind"], endpoint["metadata"]["name"])
    assert "replicas" not in endpoint["spec"]
    if endpoint["kind"] == "StatefulSet":
        servers = (FOLDER / "spread" / "servers.cfg").read_text()
        places = re.findall(r"^ +server (mme-\d+) .* id (\d+)$", servers, re.MULTILINE)
        assert places == [(f"mme-{n}", str(n + 1)) for n in range(scaler["spec"]["maxReplicas"])]
        service = endpoint["spec"]["serviceName"]
        assert servers.count(f".{service}.${{NAMESPACE}}.svc.cluster.local:8080") == len(places)


def test_variables_are_settings_and_stopping_takes_no_longer_than_the_grace_period(objects):
    [settings] = [
        each["data"]
        for each in of_kind(objects, "ConfigMap")
        if each["metadata"]["name"] == "mme-settings"
    ]
    known = {f"MME_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in settings if name.startswith("MME_")} <= known
    notice_s = float(settings["MME_DRAIN_NOTICE_S"])
    drain_s = float(settings["MME_DRAIN_TIMEOUT_S"])
    grace_s = endpoint_of(objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert drain_s >= INVOKE_S
    assert notice_s + drain_s < grace_s


def test_probes_ask_what_the_endpoint_answers(objects):
    [container] = endpoint_of(objects)["spec"]["template"]["spec"]["containers"]
    asked = {
        name: container[name]["httpGet"]["path"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert asked == {
        "startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez",
    }  # fmt: skip
    [port] = [each for each in container["ports"] if each["name"] == "http"]
    assert port["containerPort"] == Settings().port


def test_no_container_may_more_than_it_must(objects):
    for template in pods(objects):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_the_images_version_is_this_one():
    for overlay in OVERLAYS:
        said = yaml.safe_load((FOLDER / overlay / "kustomization.yaml").read_text())
        assert [image["newTag"] for image in said["images"]] == [VERSION]
