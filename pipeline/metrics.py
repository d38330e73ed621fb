"""The gateway's counters, in Prometheus terms: names carry unit and kind, labels are few and bounded."""
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class GatewayMetrics:
    """One per gateway, so that two gateways in one test do not share counters."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = {"registry": self.registry}
        self.sessions = Gauge("mvs_sessions", "Live sessions", **r)
        self.frames = Counter("mvs_frames_received_total", "Video frames received", **r)
        self.frames_dropped = Counter("mvs_frames_dropped_total", "Frames that cannot be key frames", ["reason"], **r)
        self.key_frames = Counter("mvs_key_frames_total", "Key frames picked", ["reason"], **r)
        self.key_frames_dropped = Counter("mvs_key_frames_dropped_total", "Key frames never answered", ["reason"], **r)
        self.answers_dropped = Counter("mvs_answers_dropped_total", "Answers that reached nobody", ["reason"], **r)
        self.offers_refused = Counter("mvs_offers_refused_total", "Offers refused", ["reason"], **r)
        self.answer_seconds = Histogram(
            "mvs_key_frame_answer_seconds", "From picking a key frame to its answer, in the gateway",
            buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2), **r,
        )
        self.stylize_seconds = Histogram(
            "mvs_stylize_seconds", "Network and grid fit, in the edge worker",
            buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5), **r,
        )
