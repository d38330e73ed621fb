import pytest

from pipeline.contract.errors import BadSetting
from pipeline.contract.settings import Settings


def test_nothing_set_means_loopback_and_no_ice_servers():
    settings = Settings.from_environment({})

    assert (settings.host, settings.port, settings.ice_servers) == ("127.0.0.1", 8080, ())


def test_variables_are_parsed():
    settings = Settings.from_environment({"MVS_PORT": "9000", "MVS_ICE_SERVERS": '[{"urls": "stun:a"}]', "OTHER": "x"})

    assert settings.port == 9000
    assert settings.ice_servers == ({"urls": "stun:a"},)


def test_operators_other_pages_have_web_addresses_or_none():
    settings = Settings.from_environment({"MVS_GRAFANA_URL": "http://127.0.0.1:3000", "MVS_DASHBOARD_URL": ""})

    assert (settings.grafana_url, settings.dashboard_url) == ("http://127.0.0.1:3000", "")


def test_a_range_of_ports_has_both_its_ends():
    assert Settings.from_environment({"MVS_UDP_PORTS": "40000-40100"}).udp_ports == range(40000, 40101)
    assert Settings.from_environment({"MVS_UDP_PORTS": ""}).udp_ports is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MVS_PORT", "web"),
        ("MVS_PORT", "-1"),
        ("MVS_EDGE_ID", "a/b"),
        ("MVS_ICE_SERVERS", "{"),
        ("MVS_ICE_SERVERS", '["stun:a"]'),
        ("MVS_KEY_FRAME_INTERVAL_S", "nan"),
        ("MVS_MARKER_JITTER_BUFFER", "yes"),
        ("MVS_UDP_PORTS", "40000"),
        ("MVS_UDP_PORTS", "40100-40000"),
        ("MVS_UDP_PORTS", "1000-2000"),
        ("MVS_UDP_PORTS", "40000-70000"),
        ("MVS_GRAFANA_URL", "grafana:3000"),
        ("MVS_GRAFANA_URL", "javascript:alert(1)"),
        ("MVS_DASHBOARD_URL", "https://me:secret@queues.example/"),
        ("MVS_DRAIN_S", "-1"),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(BadSetting, match=name):
        Settings.from_environment({name: value})


@pytest.mark.parametrize("name", ["MVS_GRAFANA_URL", "MVS_DASHBOARD_URL"])
@pytest.mark.parametrize(
    "value", ["https://me:hunter2@example.org/", "me:hunter2@example.org", "http://me:hunter2@[::1"]
)
def test_a_wrong_address_is_not_told_since_it_may_hold_a_password(name, value):
    with pytest.raises(BadSetting, match=name) as caught:
        Settings.from_environment({name: value})

    assert "hunter2" not in str(caught.value)


def test_a_wrong_token_is_not_told():
    with pytest.raises(BadSetting, match="MVS_OPERATOR_TOKEN") as caught:
        Settings.from_environment({"MVS_OPERATOR_TOKEN": "hunter2"})

    assert "hunter2" not in str(caught.value)
    assert Settings.from_environment({"MVS_OPERATOR_TOKEN": ""}).operator_token == ""
