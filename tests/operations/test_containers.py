"""Containers may do little: as the Dockerfile, Compose and the chart say."""

import re
from typing import Any

import pytest
import yaml

from app.settings import AppSettings
from launch.settings import LaunchSettings
from tests.operations import chart
from tests.system.installation import ROOT
from worker.settings import WorkerSettings

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SETTINGS = {
    f"SAFELIGHT_{name.upper()}"
    for settings in (AppSettings, WorkerSettings, LaunchSettings)
    for name in settings.model_fields
}


def of_kind(kind: str) -> dict[str, Any]:
    """Objects of the rendered chart, by name."""
    found: list[dict[str, Any]] = chart.objects()  # type: ignore[assignment]
    return {one["metadata"]["name"]: one for one in found if one["kind"] == kind}


PODS = {name: one["spec"]["template"]["spec"] for name, one in of_kind("Deployment").items()}


def stages() -> dict[str, str]:
    """The Dockerfile by its stages."""
    found = re.split(r"^FROM \S+ AS (\w+)$", DOCKERFILE, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("stage", ["app", "worker"])
def test_images_run_as_nobody_in_particular(stage: str) -> None:
    users = re.findall(r"^USER (\S+)$", stages()[stage], re.MULTILINE)
    assert users == ["10001"]
    after = stages()[stage].rpartition("USER 10001")[2]
    assert not re.search(r"^(RUN|COPY|ADD)", after, re.MULTILINE), "nothing is written as the user who runs it"


@pytest.mark.parametrize("name", SERVICES)
def test_compose_confines_every_service(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]
    assert not service.get("privileged")
    assert not service.get("cap_add")
    assert "build" in service or service["user"] != "root", "ours have their user from the Dockerfile"


def test_a_worker_of_compose_may_drain() -> None:
    grace = SERVICES["worker"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) >= WorkerSettings().drain_seconds + 5
    assert "ports" not in SERVICES["worker"], "there may be several"
    assert "container_name" not in SERVICES["worker"]


def test_every_setting_of_compose_is_one() -> None:
    said = {name for service in SERVICES.values() for name in service.get("environment", {}) if "SAFELIGHT" in name}
    assert said - SETTINGS == set()


def test_the_rendered_chart_is_of_this_chart() -> None:
    assert f"{chart.MADE_OF}{chart.digest()}\n" in chart.RENDERED.read_text(), "python -m tests.operations.chart"


def test_helm_renders_it_so() -> None:
    pytest.importorskip("helm_python")
    assert chart.RENDERED.read_text().endswith(chart.rendered())


def test_kubernetes_would_take_it() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    ours = [one for one in chart.objects() if one["apiVersion"] != "keda.sh/v1alpha1"]
    assert len(ours) == 6
    for one in ours:
        validate.validate(one, "1.33", strict=True)


@pytest.mark.parametrize("name", PODS)
def test_the_chart_confines_every_pod(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/data", "/tmp"}
        assert container["resources"]["limits"]["memory"]


def environment(name: str) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in PODS[name]["containers"][0]["env"]}


def test_pods_are_given_the_time_that_they_drain_for() -> None:
    worker, app = PODS["safelight-worker"], PODS["safelight-app"]
    drain_seconds = float(environment("safelight-worker")["SAFELIGHT_DRAIN_SECONDS"])
    assert worker["terminationGracePeriodSeconds"] >= drain_seconds + 5
    (left,) = re.findall(r"sleep\((\d+)\)", str(app["containers"][0]["lifecycle"]["preStop"]))
    shutdown_seconds = int(environment("safelight-app")["SAFELIGHT_SHUTDOWN_SECONDS"])
    assert app["terminationGracePeriodSeconds"] >= int(left) + shutdown_seconds + 3


def test_fine_tunes_are_accepted_where_somebody_teaches() -> None:
    assert PODS["safelight-teacher"]["containers"][0]["command"] == ["python", "-m", "worker.fine_tuning"]
    assert {environment(name)["SAFELIGHT_FINE_TUNING"] for name in PODS} == {"true"}


def test_secrets_are_named_and_not_told() -> None:
    keys = {"safelight-app": "app-url", "safelight-worker": "worker-url", "safelight-teacher": "worker-url"}
    for name, key in keys.items():
        secret = {"secretKeyRef": {"name": "safelight-store", "key": key}}
        assert environment(name)["SAFELIGHT_REDIS_URL"] == secret
        assert PODS[name]["containers"][0]["envFrom"] == [{"secretRef": {"name": "s3"}}]
        assert {one for one in environment(name) if one.startswith("SAFELIGHT")} - SETTINGS == set()


def test_disruptions_and_load_are_answered_for_both() -> None:
    budgets = of_kind("PodDisruptionBudget")
    assert {
        name: one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for name, one in budgets.items()
    } == {
        "safelight-app": "app",
        "safelight-worker": "worker",
    }
    scaled = of_kind("ScaledObject")["safelight-worker"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == "safelight-worker"
    (trigger,) = scaled["triggers"]
    assert "safelight_queue_depth" in trigger["metadata"]["query"]
    assert "replicas" not in of_kind("Deployment")["safelight-worker"]["spec"], "two would set it"
