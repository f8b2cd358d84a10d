"""Projects with `deploy=kubernetes`: manifests, a rollback, and switching the option on and off."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kubernetes_validate
import pytest
import yaml

from tools import servers
from tools.releases import releases
from tools.template import TEMPLATE, git, run

from .conftest import Commands, Render
from .helpers.docs import find_section
from .helpers.projects import Combination
from .helpers.serving import free_port, legs, report_missing, serving
from .test_containers import FOR_UVICORN, command, instruction, instructions
from .test_containers import settings as settings_of
from .test_update_matrix import History, history, update  # noqa: F401  # a fixture
from .test_update_tool import contents, outside_skip, read_skip, start

OVERLAYS = ("staging", "production")
#: The oldest and the newest version of Kubernetes that gets bug fixes.
VERSIONS = ("1.35", "1.37")
#: One with no further option, and one with all of them.
DEPLOYED = [
    Combination("mysql", "service", deploy="kubernetes"),
    Combination("postgresql", "controller", "oidc", "opentelemetry", "kubernetes"),
]
#: The files that differ. Projects without Kubernetes have none of the new ones.
CHANGED = """
    .cruft.json .gitignore AGENTS.md docs/README.md docs/deployment.md migrations/env.py
"""
NEW = """
    deploy/base/deployment.yaml deploy/base/kustomization.yaml
    deploy/base/pod-disruption-budget.yaml deploy/base/service-account.yaml
    deploy/base/service.yaml deploy/overlays/production/kustomization.yaml
    deploy/overlays/staging/kustomization.yaml docs/kubernetes.md
"""
#: Checks of checkov that don't fit every project.
NOT_CHECKED = {
    "CKV_K8S_15": "a tag of a release never changes, so it needn't be pulled again",
    "CKV_K8S_35": "the service reads its settings from the environment",
    "CKV_K8S_43": "owners choose between a tag and a digest",
    "CKV2_K8S_6": "a NetworkPolicy depends on the cluster",
}

# One process renders the projects, and builds their overlays.
pytestmark = pytest.mark.xdist_group("kubernetes")

Manifest = dict[str, Any]


@pytest.fixture(scope="module", params=DEPLOYED, ids=str)
def deployed(request: pytest.FixtureRequest) -> Combination:
    assert isinstance(request.param, Combination)
    return request.param


@pytest.fixture(scope="module")
def project(deployed: Combination, render: Render) -> Path:
    return render(**deployed.answers)


def build(folder: Path) -> dict[str, Manifest]:
    """Build an overlay with Kustomize; return its objects by kind."""
    if shutil.which("kubectl") is None:
        report_missing("kubectl is missing: run `make test` again on Linux, or install it")
    documents = list(yaml.safe_load_all(run(["kubectl", "kustomize", str(folder)], folder)))
    objects = {document["kind"]: document for document in documents}
    assert len(objects) == len(documents)
    return objects


@pytest.fixture(scope="module")
def overlays(project: Path) -> dict[str, dict[str, Manifest]]:
    """Build the overlays of a project."""
    return {name: build(project / "deploy" / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(params=OVERLAYS)
def objects(
    request: pytest.FixtureRequest, overlays: dict[str, dict[str, Manifest]]
) -> dict[str, Manifest]:
    return overlays[request.param]


def pod_of(objects: dict[str, Manifest]) -> Manifest:
    pod: Manifest = objects["Deployment"]["spec"]["template"]["spec"]
    return pod


def containers_of(objects: dict[str, Manifest]) -> tuple[Manifest, Manifest]:
    """Return the init container and the container."""
    pod = pod_of(objects)
    [migrate], [app] = pod["initContainers"], pod["containers"]
    return migrate, app


def url_of(database: str, settings: dict[str, str], name: str) -> str:
    """Return the address of a database on the tests' server."""
    user, password, host, port = (
        quote(settings[f"{database.upper()}_{part}"], safe="")
        for part in ("USER", "PASSWORD", "HOST", "PORT")
    )
    return f"{database}://{user}:{password}@{host}:{port}/{name}"


def number_in(path: Path, pattern: str) -> float:
    [number] = re.findall(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return float(number)


def test_kubernetes_changes_only_listed_files(deployed: Combination, render: Render) -> None:
    plain = contents(render(**{**deployed.answers, "deploy": "compose"}))
    with_manifests = contents(render(**deployed.answers))

    assert with_manifests.keys() - plain.keys() == set(NEW.split())
    assert plain.keys() <= with_manifests.keys()
    changed = {name for name, content in plain.items() if with_manifests[name] != content}
    assert changed == set(CHANGED.split())


def test_project_without_kubernetes_has_no_folder(render: Render) -> None:
    assert not (render() / "deploy").exists()


def test_kubernetes_is_switched_on_and_off(
    history: History,  # noqa: F811  # the imported fixture
    tmp_path: Path,
) -> None:
    """Update the oldest project to `deploy=kubernetes` and back: it equals a fresh one."""
    version = next(iter(releases(TEMPLATE)))
    plain = Combination("postgresql", "service")
    with_manifests = Combination("postgresql", "service", deploy="kubernetes")
    project = start(history.render(version, plain), tmp_path / "my-app")
    made = {each: history.render("HEAD", each) for each in (with_manifests, plain)}
    history.show("HEAD")

    for each, fresh in made.items():
        before = contents(project)
        mine = {name: before[name] for name in before.keys() - outside_skip(project).keys()}
        theirs = outside_skip(fresh, read_skip(project))
        update(project, f"deploy={each.deploy}")
        assert contents(project) == theirs | mine
        assert (project / "deploy").exists() is (each is with_manifests)


def test_database_of_many_pods_is_a_server(
    history: History,  # noqa: F811  # the imported fixture
    tmp_path: Path,
) -> None:
    """Neither option changes so that pods would use SQLite."""
    history.show("HEAD")
    for combination, change in (
        (Combination("mysql", "service", deploy="kubernetes"), "database=sqlite"),
        (Combination("sqlite", "service"), "deploy=kubernetes"),
    ):
        project = start(history.render("HEAD", combination), tmp_path / change)
        with pytest.raises(AssertionError) as caught:
            run([sys.executable, "update.py", change], project)
        _, _, printed = str(caught.value).partition("\n")
        [line] = printed.splitlines()
        assert "invalid deploy 'kubernetes' with database 'sqlite': use database=postgre" in line
        assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_match_the_schemas(objects: dict[str, Manifest], version: str) -> None:
    expected = {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}
    assert objects.keys() == expected

    for each in objects.values():
        kubernetes_validate.validate(each, version, strict=True)


def test_documented_versions_are_validated(project: Path) -> None:
    page = (project / "docs" / "kubernetes.md").read_text(encoding="utf-8")

    assert f"match the schemas of Kubernetes {VERSIONS[0]} to {VERSIONS[1]}." in page


@pytest.mark.matrix
def test_manifests_pass_checkov(render: Render) -> None:
    overlay = render(**DEPLOYED[1].answers) / "deploy" / "overlays" / "production"
    manifests = overlay / "built.yaml"
    manifests.write_text(run(["kubectl", "kustomize", "."], overlay), encoding="utf-8")

    checkov = 'uvx --quiet "checkov>=3.3,<4" --framework kubernetes --skip-download --compact'
    printed = run(f"{checkov} --skip-check {','.join(NOT_CHECKED)} --file built.yaml", overlay)

    [(passed, failed)] = re.findall(r"Passed checks: (\d+), Failed checks: (\d+)", printed)
    assert int(passed) > 80
    assert int(failed) == 0


def test_pods_meet_the_restricted_standard(objects: dict[str, Manifest]) -> None:
    """Check the profile "restricted" of the Pod Security Standards, and more."""
    pod = pod_of(objects)

    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod["automountServiceAccountToken"] is False
    assert objects["ServiceAccount"]["automountServiceAccountToken"] is False
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert [volume.keys() for volume in pod["volumes"]] == [{"name", "emptyDir"}]
    for container in containers_of(objects):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for part in ("requests", "limits"):
            assert container["resources"][part].keys() == {"cpu", "memory"}


def test_manifests_fit_the_image(project: Path, objects: dict[str, Manifest]) -> None:
    migrate, app = containers_of(objects)
    start = command(project, "CMD")

    # Without an ENTRYPOINT, `args` replaces CMD.
    assert "ENTRYPOINT" not in [name for name, _ in instructions(project)]
    assert not {"args", "command"} & app.keys()
    assert migrate["args"] == ["alembic", "-x", "newer=skip", "upgrade", "head"]
    assert app["ports"] == [{"name": "http", "containerPort": int(start[-1])}]
    context = pod_of(objects)["securityContext"]
    user = f"{context['runAsUser']}:{context['runAsGroup']}"
    assert user == instruction(project, "USER")
    page = (project / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert "It writes only to `/tmp`" in page
    for container in (migrate, app):
        assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
        assert container["image"] == app["image"]


def test_probes_call_routes_of_the_app(project: Path, objects: dict[str, Manifest]) -> None:
    code = (project / "src/core/http/health_controller.py").read_text(encoding="utf-8")
    routes = {
        f"/{prefix}{path}"
        for prefix in re.findall(r'@Controller\("(\w+)"', code)
        for path in re.findall(r'@Get\("(/\w+)"', code)
    }
    _, app = containers_of(objects)

    paths = {kind: app[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}

    assert {paths[kind]["path"] for kind in paths} <= routes
    assert paths["startup"] == paths["liveness"] == {"path": "/health/live", "port": "http"}
    assert paths["readiness"] == {"path": "/health/ready", "port": "http"}


def test_variables_are_settings(
    project: Path, deployed: Combination, objects: dict[str, Manifest]
) -> None:
    compose = yaml.safe_load((project / "compose.yaml").read_text(encoding="utf-8"))
    # OpenTelemetry reads its own variables.
    sdk = {name for name in compose["x-app"]["environment"] if name.startswith("OTEL_")}
    known = settings_of(project) | FOR_UVICORN | sdk
    literals = set(objects["ConfigMap"]["data"])
    migrate, app = (
        {each["name"] for each in container["env"]} for container in containers_of(objects)
    )

    assert literals <= known
    assert migrate == {"DATABASE_URL", "DB_MIGRATION_URL"} < known
    assert app == {"DATABASE_URL", "DB_READ_URL"} < known
    if deployed.auth == "oidc":
        assert literals >= {"AUTH_ISSUER", "AUTH_AUDIENCE"}
    if deployed.telemetry == "opentelemetry":
        assert literals >= {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"}
    assert objects["ConfigMap"]["data"]["WEB_CONCURRENCY"] == "1"


def test_secrets_are_only_referenced(project: Path, objects: dict[str, Manifest]) -> None:
    secret = objects["Deployment"]["metadata"]["name"]
    keys: dict[str, bool] = {}
    for container in containers_of(objects):
        for variable in container["env"]:
            [(kind, reference)] = variable["valueFrom"].items()
            assert kind == "secretKeyRef"
            assert reference["name"] == secret
            assert reference["key"] == variable["name"]
            keys[reference["key"]] = reference.get("optional", False)

    page = find_section(project, "docs/kubernetes.md", "Secrets")
    assert keys == {"DATABASE_URL": False, "DB_READ_URL": True, "DB_MIGRATION_URL": True}
    assert keys.keys() <= set(page.code)
    assert not any("password" in f"{each}".lower() for each in objects.values())


def test_objects_refer_to_each_other(objects: dict[str, Manifest]) -> None:
    deployment, service = objects["Deployment"]["spec"], objects["Service"]["spec"]
    pod, labels = pod_of(objects), deployment["template"]["metadata"]["labels"]
    migrate, app = containers_of(objects)

    for selector in (
        deployment["selector"]["matchLabels"],
        service["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod["topologySpreadConstraints"]),
    ):
        assert selector.items() <= labels.items()
    assert pod["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    # The name has a hash of the settings, so that a change restarts the pods.
    name = objects["ConfigMap"]["metadata"]["name"]
    assert re.fullmatch(r"my-app-[a-z0-9]{10}", name)
    for container in (migrate, app):
        assert container["envFrom"] == [{"configMapRef": {"name": name}}]


def test_overlays_differ_as_documented(overlays: dict[str, dict[str, Manifest]]) -> None:
    namespaces = {
        name: {each["metadata"]["namespace"] for each in objects.values()}
        for name, objects in overlays.items()
    }
    replicas = {name: each["Deployment"]["spec"]["replicas"] for name, each in overlays.items()}

    assert namespaces == {name: {f"my-app-{name}"} for name in OVERLAYS}
    assert replicas == {"staging": 1, "production": 3}


def test_values_of_a_rollout_fit_together(project: Path, objects: dict[str, Manifest]) -> None:
    """Compare the values that `test_rolling_restarts_fail_no_request` runs with.

    That test has HAProxy as the balancer, which fails a check sooner.
    """
    deployment, pod = objects["Deployment"]["spec"], pod_of(objects)
    _, app = containers_of(objects)
    readiness = app["readinessProbe"]
    delay = int(objects["ConfigMap"]["data"]["SHUTDOWN_DELAY"])
    drain = number_in(project / "main.py", r'"timeout_graceful_shutdown": (\d+)')
    close = number_in(project / "src/core/core_module.py", r"^DISPOSE_TIMEOUT = (\d+)$")
    telemetry = project / "src/core/telemetry.py"
    if telemetry.exists():
        close += number_in(telemetry, r"^STOP_TIMEOUT = (\d+)$")
    health = number_in(project / "src/core/settings.py", r"health_timeout: .*default=(\d+)")

    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    notice = readiness["periodSeconds"] * readiness["failureThreshold"]
    assert notice < delay
    assert delay + drain + close < pod["terminationGracePeriodSeconds"]
    assert health < readiness["timeoutSeconds"] < readiness["periodSeconds"]
    # A service that hangs at its start is restarted, but a slow one isn't.
    startup = app["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 60
    page = (project / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (.*?) \| (\d+) \|", page, re.MULTILINE))
    assert rows == {
        "`readinessProbe`": f"{notice}",
        "`SHUTDOWN_DELAY`": f"{delay}",
        "shutdown": f"{drain:.0f}",
        "`terminationGracePeriodSeconds`": f"{pod['terminationGracePeriodSeconds']}",
    }


def test_longest_name_is_valid(render: Render) -> None:
    project = render(database="mysql", deploy="kubernetes", project_slug="my_" + "long" * 15 + "x")

    objects = build(project / "deploy" / "overlays" / "production")

    for each in objects.values():
        for name in (each["metadata"]["name"], each["metadata"]["namespace"]):
            assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name)


@pytest.mark.runs_commands("docs/kubernetes.md", "Secrets", "Roll out", "Roll back")
def test_kubectl_accepts_the_commands(
    project: Path, overlays: dict[str, dict[str, Manifest]], commands: Commands, tmp_path: Path
) -> None:
    """Run each command until it connects to the cluster, which doesn't exist."""
    folder = Path(shutil.copytree(project, tmp_path / "my-app"))
    # The page creates the Secret from this file.
    example = find_section(project, "docs/kubernetes.md", "Secrets").code_in("text")[0]
    (folder / ".env.production").write_text(f"{example}\n", encoding="utf-8")
    address = f"http://127.0.0.1:{free_port()}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "none", "cluster": {"server": address}}],
        "contexts": [{"name": "none", "context": {"cluster": "none"}}],
        "current-context": "none",
    }
    (tmp_path / "config").write_text(json.dumps(config), encoding="utf-8")
    names = {each["metadata"]["name"] for each in overlays["production"].values()}

    lines = [
        line
        for heading in ("Secrets", "Roll out", "Roll back")
        for block in commands(project, "docs/kubernetes.md", heading)
        for line in block.splitlines()
    ]
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "kubectl"
        if "--namespace" in words:
            assert words[words.index("--namespace") + 1] == "my-app-production"
        assert {word.partition("/")[2] for word in words if "deployment/" in word} <= names
        with pytest.raises(AssertionError, match=r"connection .*\brefused"):
            run(line, folder, KUBECONFIG=str(tmp_path / "config"))

    assert len(lines) == 7
    made = run(f"{lines[1]} --dry-run=client --output=json", folder, KUBECONFIG="/dev/null")
    assert json.loads(made)["data"].keys() == {"DATABASE_URL"}
    run("git init --quiet && git check-ignore .env.production .env.staging", folder)


def test_documented_ingress_leads_to_the_service(project: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(project / "deploy", tmp_path / "deploy"))
    overlay = folder / "overlays" / "production"
    [example] = find_section(project, "docs/kubernetes.md", "Add your own objects").code_in("yaml")
    (overlay / "ingress.yaml").write_text(example, encoding="utf-8")
    kustomization = overlay / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    kustomization.write_text(text.replace("  - ../../base\n", "  - ../../base\n  - ingress.yaml\n"))

    objects = build(overlay)

    for version in VERSIONS:
        kubernetes_validate.validate(objects["Ingress"], version, strict=True)
    [rule] = objects["Ingress"]["spec"]["rules"]
    [path] = rule["http"]["paths"]
    service = objects["Service"]
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] in [
        port["name"] for port in service["spec"]["ports"]
    ]


#: A migration of the next version of a project.
NEXT = '''\
"""Add a note."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("examples", sa.Column("note", sa.String(length=50), nullable=True))


def downgrade() -> None:
    op.drop_column("examples", "note")
'''


@pytest.mark.matrix
@pytest.mark.parametrize("combination", legs(DEPLOYED), indirect=True, scope="session")
def test_earlier_version_starts_after_a_rollback(
    combination: Combination,
    render: Render,
    settings: dict[str, str],
    database: str,
    tmp_path: Path,
) -> None:
    """Run the containers' commands with their settings: a rollout, the next one, and back."""
    app = Path(shutil.copytree(render(**combination.answers), tmp_path / "my-app"))
    run("make uv.lock && uv sync --quiet --no-dev", app)
    objects = build(app / "deploy" / "overlays" / "production")
    migrate = shlex.join(containers_of(objects)[0]["args"])
    start = shlex.join(command(app, "CMD"))
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    given = {
        **objects["ConfigMap"]["data"],
        "PATH": f"{app}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "DATABASE_URL": url_of(combination.database, settings, database),
        "DB_CREATE_ALL": "false",
        # The delay would only make the test longer.
        "SHUTDOWN_DELAY": "0",
        # There is no collector.
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    }

    run(migrate, app, **given)
    later = app / "migrations" / "versions" / "0002_add_a_note.py"
    later.write_text(NEXT, encoding="utf-8")
    assert "Running upgrade 0001 -> 0002" in run(migrate, app, **given)

    later.unlink()
    printed = run(migrate, app, **given)
    assert "The schema is newer than the code, so it stays" in printed
    with pytest.raises(AssertionError, match="Can't locate revision identified by '0002'"):
        run("alembic upgrade head", app, **given)
    port = free_port()
    with serving(start.replace("8000", str(port)), app, port, given) as client:
        for kind in ("startup", "liveness", "readiness"):
            probe = containers_of(objects)[1][f"{kind}Probe"]["httpGet"]
            assert client.get(probe["path"]).status_code == 200
        # The route needs a token.
        created = client.post("/examples", json={"name": "Ada"}).status_code
        assert created == (401 if combination.auth == "oidc" else 201)
