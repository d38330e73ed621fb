"""Several gateways behind one address, as compose brings them."""
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def test_the_balancer_asks_the_gateways_where_they_listen():
    text, nginx = (ROOT / "compose.yaml").read_text(), (ROOT / "pipeline" / "nginx.conf").read_text()
    services = yaml.safe_load(text)["services"]
    first = re.search(r"MVS_PORT=(\d+) docker compose --profile balanced", text)[1]
    second = services["gateway-2"]["environment"]

    asked = re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=0;", nginx)

    assert asked == [first, str(second["MVS_PORT"])]
    assert second["MVS_REDIS_URL"] == services["gateway"]["environment"]["MVS_REDIS_URL"]
    assert services["balancer"]["volumes"] == ["./pipeline/nginx.conf:/etc/nginx/conf.d/default.conf:ro"]


def test_a_full_gateway_hands_an_offer_on_and_operators_pages_stay_inside():
    nginx = (ROOT / "pipeline" / "nginx.conf").read_text()

    assert re.search(r"proxy_next_upstream [^;]*http_503 non_idempotent;", nginx)
    assert re.search(r"location ~ \^/\(metrics\|status\) \{\s+return 404;", nginx)
    assert "listen 127.0.0.1:" in nginx
