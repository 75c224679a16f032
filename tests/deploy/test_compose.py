"""The compose file fits the Containerfile and the page that describes both."""

import re

import yaml

from tests.docs.pages import ROOT, blocks, text
from tests.support.matching import search

COMPOSE = yaml.safe_load(text("deploy/compose.yaml"))
SERVICES = COMPOSE["services"]
NODES = {name: service for name, service in SERVICES.items() if service["image"] == "radius-voice"}
CONTAINERFILE = text("deploy/Containerfile")
CONFIGURATION = blocks("docs/containers.md", "yaml")[0]


def test_no_service_has_privileges_or_a_writable_root():
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]


def test_the_image_has_a_user_without_privileges():
    uid, gid = search(r"^USER (\d+):(\d+)$", CONTAINERFILE, re.MULTILINE).groups()
    assert f"useradd --uid {uid} " in CONTAINERFILE
    assert f"(id {uid})" in text("docs/containers.md")
    assert f"-o {uid} -g {gid} " in text("docs/containers.md")


def test_two_nodes_have_ports_and_state_of_their_own():
    (exposed,) = re.findall(r"^EXPOSE (\S+)$", CONTAINERFILE, re.MULTILINE)
    ports = [service["ports"] for service in NODES.values()]
    assert [[f"1812:{exposed}"], [f"1822:{exposed}"]] == ports
    for name, service in NODES.items():
        assert f"{name}:/var/lib/radius-voice" in service["volumes"]
        assert name in COMPOSE["volumes"]


def test_the_paths_are_those_of_the_containerfile():
    targets = {volume.split(":")[1] for service in NODES.values() for volume in service["volumes"]}
    assert {"/etc/radius-voice", "/var/lib/radius-voice"} == targets
    for target in targets:
        assert re.search(rf"install --directory .*{target}", CONTAINERFILE)
    assert "STATE_DIRECTORY=/var/lib/radius-voice" in CONTAINERFILE
    build = NODES["node-1"]["build"]
    assert (ROOT / "deploy" / build["context"]).resolve() == ROOT
    assert (ROOT / "deploy" / build["context"] / build["dockerfile"]).is_file()
    assert f"ARG BASE={build['args']['BASE']}\n" in CONTAINERFILE


def test_the_secrets_are_those_that_the_configuration_of_the_page_names():
    named = set(re.findall(r"\{credential: ([\w.-]+)\}", CONFIGURATION))
    assert named == set(COMPOSE["secrets"])
    assert {f"./secrets/{name}" for name in named} == {each["file"] for each in COMPOSE["secrets"].values()}
    for service in NODES.values():
        assert named == set(service["secrets"])
    assert "CREDENTIALS_DIRECTORY=/run/secrets" in CONTAINERFILE


def test_only_nodes_reach_redis():
    assert {"internal": True} == COMPOSE["networks"]["store"]
    assert ["store"] == SERVICES["redis"]["networks"]
    assert "ports" not in SERVICES["redis"]
    assert ["redis:6379"] == yaml.safe_load(CONFIGURATION)["store"]["servers"]


def test_a_build_reads_only_what_the_containerfile_copies():
    read = [line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    assert set(read) == set(" ".join(copied).split())
