"""Decides what pages of other sites may do here, which is nothing unless the operator names their origins. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.http.head import Head

#: What a page of another site may read: what its scripts need, and never what is for operators.
SHARED = ("/config", "/offer", "/styles")
SHARED_PREFIX, SHARED_SUFFIX = "/styles/", ".js"
#: A browser asks again after this time whether it may send what is not a form's.
PREFLIGHT_S = 600


@dataclass(frozen=True, slots=True)
class OtherSites:
    """The sites whose pages may use this gateway's modules, offers and styles, and may show its page in a frame."""

    origins: Sequence[str] = ()

    def allows(self, origin: str | None) -> bool:
        return origin is not None and origin.lower() in self.origins

    def is_preflight(self, head: Head) -> bool:
        """Return whether a browser asks whether a page of an allowed site may send a request."""
        return head.method == "OPTIONS" and is_shared(head.path) and self.allows(head.headers.get("origin"))

    def headers(self, path: str, origin: str | None) -> dict[str, str]:
        """Return the headers that let a page of this origin read an answer. Cookies are never allowed."""
        if not self.origins or not is_shared(path):
            return {}
        if origin is None or not self.allows(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Expose-Headers": "Retry-After",
            "Access-Control-Max-Age": str(PREFLIGHT_S),
        }

    def framed(self, path: str, policy: str) -> str:
        """Return a content security policy in which the allowed sites may show the start page in a frame."""
        if path != "/" or not self.origins:
            return policy
        return policy.replace("frame-ancestors 'none'", f"frame-ancestors {' '.join(self.origins)}")


def is_shared(path: str) -> bool:
    return path in SHARED or path.startswith(SHARED_PREFIX) or path.endswith(SHARED_SUFFIX)
